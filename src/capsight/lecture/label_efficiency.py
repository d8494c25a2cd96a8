"""AUROC over the number of labelled patients, from several starts and several draws of these patients."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from capsight.errors import UserError
from capsight.evaluation.bootstrap import Patients, draw_patients, interval, nothing, why_no_interval
from capsight.evaluation.findings import mean_over_findings
from capsight.evaluation.statistics import ranking_statistics
from capsight.lecture.drawn_frames import truth

RESAMPLES = 1000
TRIES = 1000  # orders of patients before giving up
Logits = dict[str, dict[int, list[Tensor]]]  # start → number of labelled patients → (n, F) for each draw of them


def draw_labelled(
    table: pd.DataFrame, findings: Sequence[str], sizes: Sequence[int], draws: int, seed: int
) -> list[list[str]]:
    """Put the training patients of a manifest into `draws` random orders; the first n of an order are labelled.

    The smallest of `sizes` is enough for frames with each finding and without it: whoever labels looks for both.
    Raises UserError where there are fewer patients than the largest, or such an order is hardly ever drawn.
    """
    training = table[table["split"] == "train"].groupby("patient")[list(findings)]
    names = np.array(list(training.groups), dtype=object)
    few, many = min(sizes), max(sizes)
    if many > len(names):
        raise UserError(
            f"lesson.labelled asks for {many} patients, but {len(names)} are there to train on; ask for fewer."
        )
    shows, lacks = training.max() == 1, training.min() == 0
    both = np.stack([part.fillna(False).to_numpy(bool) for part in (shows, lacks)])  # (2, patients, F)
    rng, orders = np.random.default_rng(seed), []
    for _ in range(TRIES):
        order = rng.permutation(len(names))
        if both[:, order[:few]].any(axis=1).all():
            orders.append(names[order].tolist())
        if len(orders) == draws:
            return orders
    raise UserError(f"{few} training patients hardly ever show all of {', '.join(findings)}; raise lesson.labelled.")


def mean_auroc(table: pd.DataFrame, findings: Sequence[str], logits: Tensor) -> float:
    """Return the AUROC of frames, averaged over the findings that can be measured; NaN where none can."""
    everybody = Patients(np.zeros(len(table), int), 1, np.ones((1, 1)))
    aurocs = [values[0] for values, _ in _measure(table, findings, [logits], everybody) if len(values)]
    return float(np.mean(aurocs)) if aurocs else float("nan")


def label_efficiency(table: pd.DataFrame, findings: Sequence[str], logits: Logits, *, seed: int) -> dict:
    """Return the AUROC of test frames and how much higher it is than from the first start, by start and patients.

    table: one row per frame with patient and findings. Draws of the labelled patients are averaged; `by_draw` has the
    mean over findings of each. Intervals are from drawing test patients, the same ones for all, so that differences are
    paired.
    """
    patients = draw_patients(table["patient"], RESAMPLES, seed)
    first, *others = logits
    numbers = {"mean_auroc": {}, f"mean_minus_{first}": {}, "auroc": {}, f"minus_{first}": {}, "by_draw": {}}
    for start, sizes in logits.items():
        numbers["by_draw"][start] = {
            str(size): [mean_auroc(table, findings, draw) for draw in draws] for size, draws in sizes.items()
        }
    measured = {
        start: {str(size): _measure(table, findings, draws, patients) for size, draws in sizes.items()}
        for start, sizes in logits.items()
    }
    _fill(numbers["mean_auroc"], numbers["auroc"], measured, findings)
    gains = {
        start: {size: _minus(measured[start][size], measured[first][size]) for size in measured[start]}
        for start in others
    }
    _fill(numbers[f"mean_minus_{first}"], numbers[f"minus_{first}"], gains, findings)
    return numbers


def _measure(
    table: pd.DataFrame, findings: Sequence[str], draws: Sequence[Tensor], patients: Patients
) -> list[tuple[np.ndarray, str | None]]:
    """AUROC of each finding, averaged over `draws`, under all weights (none where it has no value); why no interval."""
    labels, measured = truth(table, findings).numpy(), []
    for column in range(len(findings)):
        known = ~np.isnan(labels[:, column])
        there, group = labels[known, column] == 1, patients.group[known]
        if not there.any() or there.all():
            measured.append((np.empty(0), "one class only"))
            continue
        aurocs = [
            ranking_statistics(there, draw[:, column].numpy()[known], group, patients.weights, [])[0] for draw in draws
        ]
        measured.append((np.mean(aurocs, axis=0), why_no_interval(patients.n_known, group[there], group[~there])))
    return measured


def _minus(these: list, those: list) -> list[tuple[np.ndarray, str | None]]:
    return [(mine - yours, reason) for (mine, reason), (yours, _) in zip(these, those, strict=True)]


def _fill(means: dict, each: dict, measured: dict, findings: Sequence[str]) -> None:
    """Write the intervals of the mean over findings, and of every finding."""
    for start, sizes in measured.items():
        means[start] = {
            size: mean_over_findings([part for part in parts if len(part[0])]) for size, parts in sizes.items()
        }
        each[start] = {
            finding: {
                size: interval(*parts[column]) if len(parts[column][0]) else nothing(parts[column][1])
                for size, parts in sizes.items()
            }
            for column, finding in enumerate(findings)
        }
