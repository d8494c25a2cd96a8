"""From cases to the numbers of reading_study.json: curves, frames to show, false positives, with their intervals."""

from collections.abc import Sequence

import numpy as np

from capsight.evaluation.bootstrap import draw_patients
from capsight.evaluation.reading_study.cases import WAYS, Case, outcomes, ranks
from capsight.evaluation.reading_study.curves import first_at_least
from capsight.evaluation.reading_study.measured import Measured

TARGET = 0.95  # share of the lesions
POINTS = 160  # numbers of frames shown at which the curves are known
ROUND = (10, 100, 1000)  # numbers of frames shown at which the ways are compared


def measure_study(
    cases: Sequence[Case], findings: Sequence[str], *, target: float = TARGET, resamples: int = 2000, seed: int = 0
) -> dict:
    """Measure every way of showing the frames of the cases: the content of reading_study.json.

    Numbers of frames are per video. Sensitivity per lesion pools all lesions; per patient it is the share of the
    patients with a lesion of whom one or more are found. Frames shown in vain are counted in all videos.
    """
    found_at = [ranks(case, findings) for case in cases]
    budgets = _budgets(cases, found_at)
    drawn = draw_patients([case.patient for case in cases], resamples, seed)
    measured = Measured(cases, findings, [outcomes(case, findings, budgets) for case in cases], drawn)
    needed = {way: first_at_least(measured.lesions(way), budgets, target) for way in WAYS}
    ill = {case.patient for case in cases if len(case.lesions)}
    return {
        "n_videos": len(cases),
        "n_patients": len({case.patient for case in cases}),
        "n_patients_with_lesion": len(ill),
        "n_lesions": sum(len(case.lesions) for case in cases),
        "n_frames": sum(len(case.frames) for case in cases),
        "findings": list(findings),
        "target": target,
        "budgets": budgets.tolist(),
        "ways": {
            way: {
                "lesion_sensitivity": measured.lesions(way).bands(),
                "patient_sensitivity": measured.patients(way).bands(),
                "false_frames": measured.false(way).bands(),
                "frames_for_target": needed[way].interval(),
                "false_frames_at_target": measured.false(way).at(needed[way], budgets).interval(),
            }
            for way in WAYS
        },
        "times_as_many": {way: needed[way].over(needed["events"]).interval() for way in WAYS if way != "events"},
        "shown": {
            str(n): {way: _at(measured, way, list(budgets).index(n)) for way in WAYS} for n in ROUND if n in budgets
        },
        "alarms": {
            way: {name: number.interval() for name, number in measured.alarms(way).items()}
            for way in ("events", "frames")
        },
        "by_finding": {finding: _of_finding(measured, finding, budgets, target) for finding in findings},
        "lesions": [row for case, at in zip(cases, found_at, strict=True) for row in _rows(case, at)],
    }


def _budgets(cases: Sequence[Case], found_at: Sequence[dict[str, list]]) -> np.ndarray:
    """Numbers of frames shown: evenly spaced on a logarithmic axis, and wherever an order comes upon a lesion."""
    most = max([1, *(len(case.frames) for case in cases)])
    spaced = np.geomspace(1, most, POINTS).round().astype(int)
    exact = [rank for at in found_at for ranked in at.values() for rank in ranked if rank]
    return np.unique(np.concatenate([spaced, np.array([*exact, *(n for n in ROUND if n <= most)], dtype=int)]))


def _at(measured: Measured, way: str, index: int) -> dict:
    """What a way finds with so many frames, and how much more the events do."""
    found, ours = measured.lesions(way).point(index), measured.lesions("events").point(index)
    more = {} if way == "events" else {"more_by_events": (ours - found).interval()}
    return {"lesion_sensitivity": found.interval()} | more


def _of_finding(measured: Measured, finding: str, budgets: np.ndarray, target: float) -> dict:
    curves = {way: measured.lesions(way, finding) for way in WAYS}
    counts = {case: int(case.of_finding(finding).sum()) for case in measured.cases}
    return {
        "n_lesions": sum(counts.values()),
        "n_patients": len({case.patient for case, count in counts.items() if count}),
        "ways": {
            way: {
                "lesion_sensitivity": curve.bands(),
                "frames_for_target": first_at_least(curve, budgets, target).interval(),
            }
            for way, curve in curves.items()
        },
    }


def _rows(case: Case, found_at: dict[str, list]) -> list[dict]:
    """Every lesion with the number of frames after which each order has shown it."""
    told = case.lesions[["video", "patient", "finding", "lesion", "first", "last"]].to_dict("records")
    return [row | {"found_at": {way: at[i] for way, at in found_at.items()}} for i, row in enumerate(told)]
