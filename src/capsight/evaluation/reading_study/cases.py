"""A video that was read, beside what is known of it, and what each way of showing its frames finds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from capsight.errors import UserError
from capsight.evaluation.reading_study.found import false_evenly, false_in_order, found_evenly, found_in_order
from capsight.evaluation.reading_study.orders import by_events, by_frame, by_probability, flagged

WAYS = ("events", "probability", "evenly", "frames")
UNKNOWN = 0  # the number of a lesion that is none: nobody knows of its frames


@dataclass(frozen=True, eq=False)
class Case:
    """The readable frames of one video, its events and lesions: those of the study's findings, by position."""

    video: str
    patient: str
    frames: pd.DataFrame
    events: pd.DataFrame
    lesions: pd.DataFrame
    thresholds: dict[str, float]
    spans: np.ndarray  # (m, 2) first and last position of each lesion
    clear: np.ndarray  # (n,) bool: frames that are known to show none

    def of_finding(self, finding: str | None) -> np.ndarray:
        """Which lesions are of a finding; None: all. (m,) bool."""
        return (self.lesions["finding"].notna() if finding is None else self.lesions["finding"] == finding).to_numpy()

    def shown(self, at: np.ndarray) -> np.ndarray:
        """Which lesions the frames at some positions show: (m,) bool."""
        low, high = self.spans.T[:, :, None]
        return ((at >= low) & (at <= high)).any(axis=1)


@dataclass(frozen=True)
class Outcome:
    """What a way of showing frames finds in one case: see `found`."""

    found: np.ndarray  # (starts, m, b) bool
    false: np.ndarray  # (b,) frames shown in vain


def make_case(
    video: str,
    patient: str,
    frames: pd.DataFrame,
    events: pd.DataFrame,
    thresholds: dict[str, float],
    lesions: pd.DataFrame,
    findings: Sequence[str],
) -> Case:
    """Put a reading (frames as in reading.parquet, events by frame number) beside the lesions of its video.

    Unreadable frames can be shown to nobody and are left out. Raises UserError where lesions lie beyond the video.
    """
    if len(lesions) and lesions["last"].max() >= len(frames):
        raise UserError(f"{video} has {len(frames)} frames, and lesions.csv tells of frame {lesions['last'].max()}.")
    readable = frames["readable"].to_numpy(dtype=bool)
    before = np.concatenate([[0], np.cumsum(readable)])  # readable frames before each frame
    told = lesions[lesions["finding"].isin(findings)]
    spans = np.stack([before[told["first"].to_numpy(int)], before[told["last"].to_numpy(int) + 1] - 1], axis=1)
    clear = np.ones(int(before[-1]), dtype=bool)
    for low, high in spans:
        clear[low : high + 1] = False
    real = (told["lesion"] != UNKNOWN).to_numpy()
    events = events[events["finding"].isin(findings)].sort_values("event", kind="stable")
    return Case(
        video=video,
        patient=patient,
        frames=frames[readable].reset_index(drop=True),
        events=events.assign(best=before[events["best"].to_numpy(int)]),
        lesions=told[real].reset_index(drop=True),
        thresholds=thresholds,
        spans=spans[real],
        clear=clear,
    )


def orders(case: Case, findings: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the order of the frames for every way that has one."""
    return {
        "events": by_events(case.frames, findings, case.events),
        "probability": by_probability(case.frames, findings),
        "frames": by_frame(case.frames, findings, case.thresholds),
    }


def outcomes(case: Case, findings: Sequence[str], budgets: np.ndarray) -> dict[str, Outcome]:
    """Return what each of WAYS finds when so many frames are shown."""
    found = {
        way: Outcome(found_in_order(order, case.spans, budgets), false_in_order(order, case.clear, budgets))
        for way, order in orders(case, findings).items()
    }
    evenly = found_evenly(len(case.frames), case.spans, budgets)
    return {way: found.get(way) or Outcome(evenly, false_evenly(case.clear, budgets)) for way in WAYS}


def ranks(case: Case, findings: Sequence[str]) -> dict[str, list[int | None]]:
    """How many frames each order shows until it comes upon each lesion; None: never."""
    at = {way: np.argsort(order) for way, order in orders(case, findings).items()}
    return {
        way: [int(rank[low : high + 1].min()) + 1 if high >= low else None for low, high in case.spans]
        for way, rank in at.items()
    }


def alarms(case: Case, findings: Sequence[str]) -> dict[str, np.ndarray]:
    """The frames that the software asks to look at, as positions: the best of each event, and all above a threshold."""
    return {
        "events": pd.unique(case.events["best"].to_numpy(dtype=int)),
        "frames": np.flatnonzero(flagged(case.frames, findings, case.thresholds)),
    }
