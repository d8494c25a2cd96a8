"""What the Trust section is made of, and how its parts look numbers up and say them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from capsight.report import plots, trust_plots, words
from capsight.report.tables import NO_REASON, Cell, Footnotes, Interval, cells, interval


@dataclass(frozen=True)
class Place:
    """Frames that are measured together: all of them, or those of one device."""

    name: str
    where: str  # the name in a sentence: "over all devices", "on A"
    block: dict  # its part of metrics.json
    overall: bool
    unseen: bool  # a device that was not in training

    @property
    def label(self) -> str:
        return f"{self.name}, not in training" if self.unseen else self.name


@dataclass(frozen=True)
class Answer:
    """What is said about one finding, or one kind of frames; a colour of "" leaves out the swatch."""

    name: str
    colour: str
    verdict: str  # the shortest answer
    sentences: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)  # what only some will read
    unseen: bool = False  # a device that was not in training


@dataclass(frozen=True)
class Alarm:
    """What must not be overlooked: one loud sentence, and what it rests on."""

    sentence: str
    grounds: list[str]


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, with its texts."""

    uri: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Table:
    """Rows of cells under headings, grouped by place (or None: without a name above)."""

    headings: list[str]
    groups: list[tuple[Place | None, list[dict[str, Any]]]]
    notes: list[str]
    first: str = "Device and finding"  # the heading of the rows' names


@dataclass(frozen=True)
class Question:
    """One question of the section: answers in words first, then a picture, then what only some will open."""

    anchor: str
    title: str
    explanation: str
    answers: list[Answer]
    alarms: list[Alarm] = field(default_factory=list)
    picture: Picture | None = None
    more: str = ""  # what can be opened
    curves: Picture | None = None
    table: Table | None = None


def places(run: dict, metrics: dict) -> list[Place]:
    """Return all frames (of the devices of the training, where there are others), then each of several devices."""
    over, unseen = words.over(metrics), words.unseen_devices(run, metrics)
    whole = Place(over, f"over {over}", metrics.get("seen_devices") or metrics, True, False)
    devices = metrics.get("by_device") or {}
    each = [Place(name, f"on {name}", block, False, name in unseen) for name, block in devices.items()]
    return [whole, *(each if len(devices) > 1 else [])]


def findings(metrics: dict) -> list[tuple[str, str]]:
    """Return every finding with its colour."""
    return [(name, plots.finding_colour(index)) for index, name in enumerate(metrics.get("findings") or {})]


def at(block: Any, *path: str) -> dict:
    """Follow `path`; returns {} or {"reason"}, the last reason given on the way, where it leads nowhere."""
    reason = None
    for key in path:
        reason = block.get("reason") or reason
        block = block.get(key)
        if not isinstance(block, dict):
            return {"reason": reason} if reason else {}
    return block


def measured(block: dict, *path: str) -> Interval:
    """Look up one number with its interval; what is missing or not finite is None with a reason."""
    number = interval(at(block, *path), ())
    value, low, high = (
        x if isinstance(x, int | float) and isfinite(x) else None for x in (number.value, number.low, number.high)
    )
    if value is None:
        return Interval(None, None, None, number.reason or NO_REASON)
    return Interval(value, low, high, number.reason)


def table(
    spots: Sequence[Place], colours: Sequence[tuple[str, str]], columns: dict[str, Callable[[Place, str], Interval]]
) -> Table:
    """Fill `columns` (heading: the number of a finding at a place); all share their footnotes."""
    footnotes = Footnotes()
    groups = []
    for place in spots:
        rows = [
            {
                "name": name,
                "colour": colour,
                "cells": row_cells([of(place, name) for of in columns.values()], footnotes),
            }
            for name, colour in colours
        ]
        groups.append((place, rows))
    return Table(list(columns), groups, footnotes.reasons)


def row_cells(numbers: Sequence[Interval], footnotes: Footnotes) -> list[Cell]:
    """Return one cell per number; `footnotes` collects the reasons."""
    row = {str(column): asdict(number) for column, number in enumerate(numbers)}
    return cells(row, [(column, (column,)) for column in row], footnotes)


def dot_rows(
    spots: Sequence[Place], colours: Sequence[tuple[str, str]], row: Callable[[Place, str, str], trust_plots.Row]
) -> list[trust_plots.Row]:
    """Return the rows of a dot plot, those of each finding together; findings without a number are left out."""
    groups = [[row(place, *finding) for place in spots] for finding in colours]
    return [row for group in groups if any(n.value is not None for r in group for n in r.numbers) for row in group]


def nearest(block: dict, target: float) -> str:
    """Return the key of `block` that is the number closest to `target`, "" where there is none."""
    numbers = [key for key, value in block.items() if isinstance(value, dict) and key.replace(".", "").isdecimal()]
    return min(numbers, key=lambda key: abs(float(key) - target), default="")


def capital(text: str) -> str:
    """Return `text` as the start of a sentence."""
    return text[:1].upper() + text[1:]


def uncapital(text: str) -> str:
    """Return `text` as the rest of a sentence."""
    return text[:1].lower() + text[1:]


def named(names: dict[str, str], key: str) -> str:
    """Return what to call `key`, also one that is new."""
    return names.get(key, key.replace("_", " "))


def of_100(share: float) -> str:
    """Return a share as a number of 100; what is not quite 0 or 100 does not become it."""
    rounded = f"{100 * share:.0f}"
    return f"{100 * share:.1f}" if rounded in ("0", "100") and 0 < share < 1 else rounded


def with_bounds(number: Interval, said: Callable[[float], str] = of_100, of: str = "") -> str:
    """Return "64 (51 to 75)", "64 of 100 frames (51 to 75)" for `of` "of 100 frames"; "64" without an interval."""
    bounds = f"({said(number.low)} to {said(number.high)})" if number.has_bounds else ""
    return " ".join(part for part in (said(number.value), of, bounds) if part)


def cannot(reason: str) -> str:
    """Say that something could not be measured, and why."""
    return f"Cannot be said: {reason or NO_REASON}".rstrip(".") + "."
