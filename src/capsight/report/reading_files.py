"""What a reading leaves beside its page: tables and facts, each file whole or not there."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from capsight.data.video import Video
from capsight.files import atomic, write_json
from capsight.notice import NOTICE

RESULTS = ("reading.json", "reading.html", "reading.parquet", "events.json", "events_coco.json")
LISTED = 1000  # problems; all of them stand in the table


def write_frames(folder: Path, frames: pd.DataFrame) -> None:
    """Write reading.parquet, a row per frame; the notice stands in its metadata."""
    frames = frames.copy(deep=False)
    frames.attrs["notice"] = NOTICE
    with atomic(folder / "reading.parquet") as temporary:
        frames.to_parquet(temporary, index=False)


def write_events(
    folder: Path,
    video: Video,
    frames: pd.DataFrame,
    events: pd.DataFrame,
    moments: pd.DataFrame,
    thresholds: Mapping[str, float],
) -> None:
    """Write events.json: the events, further moments, and what they were made with; what is not known is null."""
    content = {
        "video": video.name,
        "frames_per_second": video.frames_per_second,
        "n_frames": len(frames),
        "n_unreadable": int((~frames["readable"]).sum()),
        "findings": list(thresholds),
        "thresholds": dict(thresholds),
        "events": events.to_dict("records"),
        "moments": moments.to_dict("records"),
        "notice": NOTICE,
    }
    write_json(_plain(content), folder / "events.json")


def write_facts(folder: Path, video: Video, frames: pd.DataFrame, facts: Mapping[str, Any]) -> list[str]:
    """Write reading.json, whose presence says that all other files are there; returns the problems, a line each."""
    troubled = frames[frames["problem"] != ""]
    problems = [*video.notes, *(f"frame {row.frame}: {row.problem}" for row in troubled.head(LISTED).itertuples())]
    content = {
        "video": video.name,
        "n_frames": len(frames),
        "n_unreadable": int((~frames["readable"]).sum()),
        "n_damaged": int((troubled["readable"]).sum()),
        "problems": problems,
        "n_problems_left_out": max(0, len(troubled) - LISTED),
        **facts,
        "notice": NOTICE,
    }
    write_json(_plain(content), folder / "reading.json")
    return problems


def _plain(content: Any) -> Any:
    """Return what JSON can hold: NaN and infinity become null, numbers of NumPy those of Python."""
    if isinstance(content, Mapping):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, Sequence) and not isinstance(content, str):
        return [_plain(value) for value in content]
    if hasattr(content, "item"):
        content = content.item()
    return None if isinstance(content, float) and not math.isfinite(content) else content
