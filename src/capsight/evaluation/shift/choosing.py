"""Which of several settings, and which method without labels, each selection protocol would have chosen."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from capsight.evaluation.selection import PROTOCOLS, score
from capsight.evaluation.shift.cells import Cell, Line

Scores = dict[Cell, dict[str, float | None]]
Chosen = dict[Line, dict[int, Cell]]  # the cell of each seed


def score_cells(cells: Sequence[Cell], findings: Sequence[str], labels: pd.DataFrame | None, unlabelled: str) -> Scores:
    """Score every cell under every protocol; the oracle is left out where there are no labels.

    Reads predictions of validation and adapt frames, never those of test frames.
    """
    protocols = [name for name in PROTOCOLS if labels is not None or name != "target_labelled_oracle"]
    scores = {}
    for cell in cells:
        seen = {split: cell.files.predictions(split) for split in ("validation", "adapt")}
        more = {"findings": findings, "hidden": labels, "unlabelled": unlabelled}
        scores[cell] = {name: score(name, **seen, **more) for name in protocols}
    return scores


def choose_settings(cells: Sequence[Cell], scores: Scores, protocol: str) -> Chosen:
    """Choose, for each line and seed, among the cells that differ in their settings; among equals the first."""
    chosen: Chosen = {}
    for cell in cells:
        seeds = chosen.setdefault(cell.line, {})
        known = seeds.get(cell.seed)
        if known is None or _worth(scores[cell][protocol]) > _worth(scores[known][protocol]):
            seeds[cell.seed] = cell
    return {line: dict(sorted(seeds.items())) for line, seeds in chosen.items()}


def choose_method(chosen: Chosen, scores: Scores, protocol: str) -> dict[tuple, Line]:
    """Choose, for each source, target and objective, the method without target labels with the best mean score.

    The source's model as it is stands for choice too. Methods are compared on the seeds that all of them have, or each
    on its own where there is none.
    """
    groups: dict[tuple, list[Line]] = {}
    for line in chosen:
        if line.k == 0:
            groups.setdefault((line.source, line.target, line.objective), []).append(line)
    return {key: _best({line: chosen[line] for line in lines}, scores, protocol) for key, lines in groups.items()}


def _best(lines: Mapping[Line, dict[int, Cell]], scores: Scores, protocol: str) -> Line:
    common = set.intersection(*(set(seeds) for seeds in lines.values()))

    def worth(line: Line) -> float:
        return np.mean([_worth(scores[cell][protocol]) for s, cell in lines[line].items() if s in common or not common])

    return max(lines, key=worth)


def _worth(value: float | None) -> float:
    """Return what a score counts: less than any other where there is none."""
    return -np.inf if value is None else value
