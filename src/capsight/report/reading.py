"""The page on which a video is read: a strip of it all, the events as cards, and the reader's own review.

The page is one file. Everything from data goes into it as JSON whose `<` is escaped, and is shown as text alone.
"""

import base64
import bisect
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from capsight.errors import UserError
from capsight.notice import NOTICE
from capsight.report.pages import write_page
from capsight.report.plots import finding_colour
from capsight.report.reading_strip import strip
from capsight.report.reading_words import remarks, summary

REACH = 10  # frames to either side of the best one among which its neighbours are looked for
SIDE = 3  # neighbours shown to either side
NUMBERS = ("event", "first", "last", "best", "n_frames")  # of an event, never unknown
TOLD = 200  # problems on the page; all of them stand in reading.json


@dataclass(frozen=True)
class Reading:
    """All that the page shows. title, finding names and problems are untrusted text."""

    title: str  # the video's file name
    frames: pd.DataFrame  # reading.parquet
    events: pd.DataFrame  # a row per event, with the keys of events.json
    moments: pd.DataFrame  # further frames, as events of one frame
    findings: list[str]
    thresholds: dict[str, float]
    frames_per_second: float | None
    pictures: Mapping[int, bytes]  # JPEG by frame number; may lack frames
    heatmaps: Mapping[tuple[int, str], bytes]  # PNG with alpha by frame and finding; may lack some
    problems: list[str]  # a line each about damage and frames that could not be read


def read_reading(folder: str | Path) -> Reading:
    """Read a finished reading's files. UserError where the folder holds none, or a damaged one."""
    folder = Path(folder)
    told, facts = (_json(folder / name) for name in ("events.json", "reading.json"))
    try:
        frames = pd.read_parquet(folder / "reading.parquet")
        findings = [str(name) for name in told["findings"]]
        for event in [*told["events"], *told["moments"]]:
            _check(event, findings)
        pictures, heatmaps = {}, {}
        for number in sorted({int(file.stem.split("_")[1]) for file in folder.glob("pictures/frame_*.jpg")}):
            pictures[number] = (folder / "pictures" / f"frame_{number:06d}.jpg").read_bytes()
        for file in sorted(folder.glob("pictures/heat_*.png")):
            _, number, finding = file.stem.split("_", 2)
            heatmaps[int(number), finding] = file.read_bytes()
        return Reading(
            title=str(told["video"]),
            frames=frames,
            events=pd.DataFrame(told["events"]),
            moments=pd.DataFrame(told["moments"]),
            findings=findings,
            thresholds=dict(told["thresholds"]),
            frames_per_second=told.get("frames_per_second"),
            pictures=pictures,
            heatmaps=heatmaps,
            problems=[str(line) for line in facts.get("problems") or []],
        )
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise UserError(f"{folder} holds no whole reading ({error}); read the video again.") from error


def write_reading_page(file: str | Path, reading: Reading) -> None:
    """Write the page as one HTML file that needs no network. UserError where it cannot be written."""
    events = _entries(reading, reading.events, further=False)
    entries = [*events, *_entries(reading, reading.moments, further=True)]
    unreadable = int((~reading.frames["readable"].astype(bool)).sum()) if "readable" in reading.frames else 0
    n_frames = len(reading.frames)
    shown = {number for entry in entries for number in entry["frames"]}
    with_picture = sum(event["best"] in shown for event in events)
    data = {
        "title": reading.title,
        "key": _key(reading),
        "notice": NOTICE,
        "n_frames": n_frames,
        "frames_per_second": reading.frames_per_second,
        "findings": [
            {"name": name, "colour": finding_colour(at), "threshold": _number(reading.thresholds.get(name))}
            for at, name in enumerate(reading.findings)
        ],
        "strip": strip(reading.frames, reading.findings),
        "events": entries,
        "pictures": {number: _uri(reading.pictures[number], "jpeg") for number in sorted(shown)},
        "heatmaps": {
            f"{number} {reading.findings.index(finding)}": _uri(picture, "png")
            for (number, finding), picture in reading.heatmaps.items()
            if number in shown and finding in reading.findings
        },
    }
    write_page(
        file,
        "reading.html.j2",
        title=reading.title,
        summary=summary(n_frames, events, unreadable, reading.frames_per_second),
        remarks=remarks(n_frames, len(events), unreadable, with_picture),
        problems=reading.problems[:TOLD],
        n_problems_left=max(0, len(reading.problems) - TOLD),
        has_events=bool(events),
        has_entries=bool(entries),
        nothing_read=unreadable == n_frames,
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
    )


def _entries(reading: Reading, table: pd.DataFrame, further: bool) -> list[dict[str, Any]]:
    """Events as the page takes them: plain numbers, the finding's place, and the frames that have a picture."""
    numbers, events = sorted(reading.pictures), []
    for row in table.to_dict("records"):
        event = {name: int(row[name]) for name in NUMBERS}
        event |= {name: _number(row.get(name)) for name in ("first_seconds", "last_seconds", "best_seconds")}
        event |= {name: _number(row.get(name)) for name in ("peak", "suspicion", "uncertainty", "visible")}
        event |= {name: bool(row.get(name)) for name in ("uncertain", "unlike")}
        finding = reading.findings.index(row["finding"])
        events.append(event | {"finding": finding, "further": further, "frames": _around(event["best"], numbers)})
    return sorted(events, key=lambda event: (event["uncertain"] and not further, event["event"]))


def _around(best: int, numbers: list[int]) -> list[int]:
    """The best frame and the nearest to either side of it, of those that have a picture."""
    at = bisect.bisect_left(numbers, best)
    after = at + (at < len(numbers) and numbers[at] == best)
    around = numbers[max(0, at - SIDE) : at] + numbers[at:after] + numbers[after : after + SIDE]
    return [number for number in around if abs(number - best) <= REACH]


def _check(event: dict, findings: list[str]) -> None:
    """Raise ValueError, KeyError or TypeError where an event is damaged."""
    findings.index(event["finding"])
    for name in NUMBERS:
        int(event[name])


def _key(reading: Reading) -> str:
    """What a review is kept under: the same reading opened again finds it, another one does not."""
    shown = pd.concat([reading.events, reading.moments])
    told = [reading.title, len(reading.frames), *shown.astype(str).to_numpy().ravel().tolist()]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 4)


def _uri(picture: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _json(file: Path) -> dict:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise UserError(f"{file} is missing or damaged; read the video again.")
    return content
