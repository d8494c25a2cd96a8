"""Does the model notice frames unlike its training data? The AUROC of each score, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from capsight.report import plots, trust_plots
from capsight.report.tables import Footnotes, Interval
from capsight.report.trust.parts import (
    Answer,
    Picture,
    Question,
    Table,
    at,
    cannot,
    capital,
    measured,
    named,
    of_100,
    row_cells,
    with_bounds,
)
from capsight.report.words import listed, unseen_devices

KEY = "ood"
SCORES = {
    "knn_distance": "nearest-neighbour distance",
    "mahalanobis_distance": "Mahalanobis distance",
    "energy": "energy",
}
KINDS = {"black": "Black frames", "colonoscopy": "Colonoscopy-like images", "non_medical": "Non-medical images"}
GRADES = ((0.95, "Clearly"), (0.8, "Mostly"), (0.65, "Only in part"), (0.0, "Hardly"))
FOREIGN = 0.65  # from here on, frames of a device of the training should not be rated
EXPLANATION = (
    "A model can be sure of itself where it knows nothing: on a black frame, with a new camera. A score of how unlike "
    "the training data a frame is can give the alarm. In how many of 100 pairs of such a frame and a validation frame "
    "does the score rate the right one as more foreign? 50 is guessing."
)


@dataclass(frozen=True)
class Group:
    """Frames that are held against the validation frames: their AUROC by score."""

    name: str
    trained: bool  # of a device of the training: they should not look foreign
    unseen: bool
    numbers: dict[str, Interval]

    @property
    def label(self) -> str:
        return f"{self.name}, not in training" if self.unseen else self.name


def likeness(run: dict, metrics: dict) -> Question:
    """Answer the question for every tested device and every kind of foreign image."""
    groups = _groups(run, metrics)
    score = next((name for group in groups for name, number in group.numbers.items() if number.value is not None), "")
    told = f" The answers are about the {named(SCORES, score)}." if score else ""
    answers = [Answer(g.name, "", *_said(g.numbers.get(score)), unseen=g.unseen) for g in groups if not g.trained]
    if familiar := [group for group in groups if group.trained]:
        answers.insert(0, Answer("Devices of the training", "", *_familiar(familiar, score)))
    return Question(
        anchor="trust-likeness",
        title="Does the model notice frames unlike its training data?",
        explanation=EXPLANATION + told,
        answers=answers or [Answer("All frames", "", cannot(at(metrics, KEY).get("reason") or ""))],
        picture=_picture(groups),
        more="The numbers" if groups else "",
        table=_table(groups),
    )


def _groups(run: dict, metrics: dict) -> list[Group]:
    """Return the tested devices and then the kinds of foreign images, as far as any score was measured on them."""
    devices, unseen = list(metrics.get("by_device") or {}), unseen_devices(run, metrics)
    whole = at(metrics, KEY)
    scores = [*(s for s in SCORES if at(whole, s)), *(s for s in whole if s not in SCORES and at(whole, s))]
    names = dict.fromkeys(name for score in scores for name in at(whole, score, "auroc") if name != "reason")
    order = [*(name for name in devices if name in names), *(name for name in names if name not in devices)]
    return [
        Group(
            name if name in devices else named(KINDS, name),
            name in devices and name not in unseen,
            name in unseen,
            {score: measured(whole, score, "auroc", name) for score in scores},
        )
        for name in order
    ]


def _said(number: Interval | None) -> tuple[str, list[str]]:
    """Return the grade of an AUROC, and the AUROC in words."""
    if number is None or number.value is None:
        return cannot(number.reason if number else ""), []
    guessing = number.has_bounds and number.low <= 0.5
    grade = "No" if guessing else next(grade for least, grade in GRADES if number.value >= least)
    return f"{grade}.", [f"{with_bounds(number, of='of 100 pairs')}."]


def _familiar(groups: Sequence[Group], score: str) -> tuple[str, list[str]]:
    """Say whether the frames of trained devices look familiar, as they should."""
    known = {g.name: n for g in groups if (n := g.numbers.get(score)) and n.value is not None}
    if not known:
        return _said(next(iter(groups[0].numbers.values())))
    foreign = [name for name, number in known.items() if number.value >= FOREIGN]
    verdict = (
        f"{capital(listed(foreign))} should look familiar and does not." if foreign else "Familiar, as they should be."
    )
    return verdict, [f"Of 100 pairs {listed([f'{of_100(number.value)} on {name}' for name, number in known.items()])}."]


def _picture(groups: Sequence[Group]) -> Picture | None:
    scores = [s for s in dict.fromkeys(s for g in groups for s in g.numbers) if _known(groups, s)]
    if not scores:
        return None
    rows = []
    for group in groups:
        numbers = [group.numbers[score] for score in scores]
        remarks = ["" if number.value is None else f"{number.value:.2f}" for number in numbers]
        calm = [False] * len(scores)
        rows.append(trust_plots.Row(group.label, plots.INK, False, group.unseen, numbers, remarks, calm))
    panels = [trust_plots.DotPanel(named(SCORES, score), 0.5, percent=False) for score in scores]
    caption = (
        "AUROC for telling these frames from the validation frames; the dashed line is guessing. Devices of the "
        "training belong on it, all others to the right."
    )
    alt = "Dots with 95 % intervals: the AUROC of every score for each device and kind of foreign image."
    return Picture(plots.data_uri(trust_plots.dot_panels(panels, rows)), alt, caption)


def _known(groups: Sequence[Group], score: str) -> bool:
    return any(group.numbers[score].value is not None for group in groups)


def _table(groups: Sequence[Group]) -> Table | None:
    if not groups:
        return None
    footnotes = Footnotes()
    rows = [{"name": g.label, "colour": "", "cells": row_cells(list(g.numbers.values()), footnotes)} for g in groups]
    headings = [f"AUROC, {named(SCORES, score)}" for score in groups[0].numbers]
    return Table(headings, [(None, rows)], footnotes.reasons, first="Frames")
