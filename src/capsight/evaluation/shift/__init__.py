"""What happens when the capsule changes, and what wins it back: from the runs of a grid to shift.json."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from capsight.errors import UserError
from capsight.evaluation.predictions import check_predictions
from capsight.evaluation.selection import PROTOCOLS, UNLABELLED
from capsight.evaluation.shift.averages import averages, choices
from capsight.evaluation.shift.cells import Cell, findings_of, read_cells
from capsight.evaluation.shift.choosing import Chosen, Scores, choose_settings, score_cells
from capsight.evaluation.shift.control import measure_control
from capsight.evaluation.shift.distance import from_devices
from capsight.evaluation.shift.lines import summarise, summarise_home
from capsight.evaluation.shift.measured import Measured, left_out, measure_runs
from capsight.evaluation.shift.statistics import SPECIFICITY, intervals
from capsight.progress import track


def measure_shift(
    cells: Sequence[Mapping],
    out: str | Path,
    *,
    labels: pd.DataFrame | None = None,
    frames: tuple[pd.DataFrame, Mapping[str, np.ndarray]] | None = None,
    selection: str = PROTOCOLS[0],
    unlabelled: str = UNLABELLED[0],
    resamples: int = 1000,
    seed: int = 0,
) -> dict:
    """Measure the finished cells of a grid whose runs lie below `out`; returns the content of shift.json.

    cells: {"source": [DEVICE, ...], "target", "adaptation", "k", "seed", "settings", "run", "source_run"}, and
    "objective" where trainings differ in it; "run" is tested on the target's test patients, "source_run" on those of
    the source. labels: path and findings of the frames whose labels were hidden, for the oracle alone. frames: what
    `data.device_views` returns, for the control. selection: the protocol that chooses among settings.

    Patients are drawn within each target, and together for all trainings on sources; trainings are drawn too. Raises
    UserError for runs that are not finished or do not belong together.
    """
    every = read_cells(cells, out)
    findings = findings_of(every[0].files.test)
    _check(every, findings, labels, selection)
    scores = score_cells(every, findings, labels, unlabelled)
    measured = measure_runs(every, findings, resamples=resamples, seed=seed)
    by_protocol = {name: choose_settings(every, scores, name) for name in scores[every[0]]}
    chosen = by_protocol[selection]
    each, whole = zip(*(choices(name, of, scores, measured) for name, of in by_protocol.items()), strict=True)
    return {
        "selection": selection,
        "unlabelled": unlabelled,
        "specificity": SPECIFICITY,
        "resamples": resamples,
        "findings": findings,
        "cells": [_cell(cell, chosen, scores, selection, measured) for cell in every],
        "homes": _homes(every, measured),
        "summary": [summarise(line, chosen, measured) | {"selection": selection} for line in chosen],
        "averages": [block | {"selection": selection} for block in averages(chosen, measured)],
        "choices": sum(each, []),
        "choices_averaged": sum(whole, []),
        "left_out": left_out(every, findings),
        "distances": _distances(chosen, resamples, seed),
        "control": measure_control(*frames, resamples=resamples, seed=seed) if frames else None,
    }


def _check(cells: Sequence[Cell], findings: Sequence[str], labels: pd.DataFrame | None, selection: str) -> None:
    if selection not in PROTOCOLS:
        raise UserError(f"selection {selection!r} is not known; choose {', '.join(PROTOCOLS)}.")
    if labels is None and selection == "target_labelled_oracle":
        raise UserError(
            "target_labelled_oracle needs the labels that were hidden; give them, or choose another selection."
        )
    if labels is not None and (missing := [name for name in ("path", *findings) if name not in labels]):
        raise UserError(f"the table of hidden labels lacks {', '.join(missing)}.")
    tested: dict[str, Cell] = {}
    for cell in cells:
        first = tested.setdefault(cell.line.target, cell)
        for files in (cell.files, cell.home):
            table = files.test
            try:
                check_predictions(table, findings)
            except UserError as error:
                raise UserError(f"{files.folder}: {error}") from None
        if not cell.files.test["path"].equals(first.files.test["path"]):
            raise UserError(
                f"{cell.run} and {first.run} tested {cell.line.target} on different frames; train one anew."
            )


def _cell(cell: Cell, chosen: Chosen, scores: Scores, selection: str, measured: Measured) -> dict:
    statistics, table = measured.cells[cell], cell.files.test
    return cell.facts() | {
        "selection": selection,
        "chosen": chosen[cell.line][cell.seed] is cell,
        "scores": scores[cell],
        "n_frames": len(table),
        "n_patients": int(table["patient"].nunique()),
        "findings": {finding: intervals(numbers) for finding, numbers in statistics.items()},
        "mean_auroc": measured.mean(cell).interval(),
    }


def _homes(cells: Sequence[Cell], measured: Measured) -> list[dict]:
    """One block for each source and objective."""
    trained: dict[tuple, list[Cell]] = {}
    for cell in cells:
        trained.setdefault((cell.line.source, cell.line.objective), []).append(cell)
    return [summarise_home(begun, measured) for begun in trained.values()]


def _distances(chosen: Chosen, resamples: int, seed: int) -> list[dict]:
    """Distances in the embedding of the source's model as it is, with the lowest seed, for each source and target."""
    models: dict[tuple, Cell] = {}
    for line, seeds in chosen.items():
        if line.is_baseline:
            models.setdefault((line.source, line.target), next(iter(seeds.values())))
    return [
        {"source": list(source), "target": target, **from_devices(cell, resamples=resamples, seed=seed)}
        for (source, target), cell in track(models.items(), "Measuring distances", total=len(models))
    ]
