"""The pictures of the Trust section, in the style of the report's other plots.

Every function returns a Figure. Where a number has no value there is no mark; the words beside say why.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from capsight.report.plots import INK, MUTED, RULE, STYLE, WIDTH, shorten
from capsight.report.tables import Interval

DASHED = (0, (4, 3))
BROKEN = "#b3001b"
KEPT = "#eaf3ec"  # the side of a promise on which it is kept
# Not the first score of a picture, but the others: told apart by dashes, so that colours go on meaning findings.
DASHES = ((0, (1, 1.4)), (0, (4, 1.6)), (0, (6, 1.6, 1, 1.6)), (0, (8, 3)), "solid")
SHARE = PercentFormatter(1, decimals=0, symbol="\u00a0%")


@dataclass(frozen=True)
class Bin:
    """The frames to which the model gives about the same probability."""

    n_frames: int
    predicted: float
    observed: Interval


@dataclass(frozen=True)
class Reliability:
    """The bins before or after one scaling."""

    name: str
    colour: str
    bins: list[Bin]


@dataclass(frozen=True)
class Curve:
    """One line: x and y, and its 95 % band, each (n,), NaN where there is none."""

    name: str
    style: int  # the same for the same score in every panel
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class DotPanel:
    """One panel of a dot plot: a dashed line at chance, a target or a promise, and the side where it is kept."""

    title: str
    line: float | None
    kept: str = ""  # "above" or "below"
    percent: bool = True


@dataclass(frozen=True)
class Row:
    """One line of a dot plot: its label and, per panel, its numbers with what is said beside them."""

    label: str
    colour: str
    heading: bool  # opens a group: bold, with a diamond and a rule above
    hollow: bool  # a device that was not in training
    numbers: list[Interval]
    remarks: list[str]
    alarming: list[bool]


def _panels(
    number: int, height: float, ratios: Sequence[float] = (1,), across: int | None = None
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure and per panel its axes from top to bottom, `across` (or two to four) panels side by side."""
    across = across or (4 if number == 4 else min(3, max(2, number)))
    lines, parts = -(-number // across), len(ratios)
    figure = Figure(figsize=(WIDTH, height * lines), layout="constrained")
    grid = figure.subplots(lines * parts, across, squeeze=False, height_ratios=list(ratios) * lines)
    every = [list(grid[parts * line : parts * (line + 1), column]) for line in range(lines) for column in range(across)]
    for axes in (axes for panel in every[number:] for axes in panel):
        axes.set_visible(False)
    return figure, every[:number]


@mpl.rc_context(STYLE)
def reliability_diagrams(panels: Sequence[tuple[str, Sequence[Reliability]]], across: int | None = None) -> Figure:
    """Draw (title, series) per panel: the share that has the finding over what the model says, and the frames."""
    figure, every = _panels(len(panels), 3.7 if across is None else 3.3, (4, 1), across)
    for (axes, below), (title, series) in zip(every, panels, strict=True):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=DASHED)
        for one in series:
            _reliability(axes, one)
        predicted, frames = [b.predicted for b in series[0].bins], [b.n_frames for b in series[0].bins]
        below.vlines(predicted, 0, frames, color=series[0].colour, linewidth=2.5, alpha=0.8)
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), title=shorten(title, 30), ylabel="truly have it")
        axes.tick_params(labelbottom=False)
        axes.legend(loc="upper left", fontsize=8, handlelength=1.2, borderaxespad=0.2)
        below.set(xlim=(-0.03, 1.03), ylim=(0, None), xlabel="the model says", ylabel="frames")
        for axis in (axes.yaxis, below.xaxis):
            axis.set_major_formatter(SHARE)
        for part in (axes, below):
            part.set_xticks([0, 0.5, 1])
    return figure


def _reliability(axes: Axes, series: Reliability) -> None:
    known = [b for b in series.bins if b.observed.value is not None]
    for b in known:
        if b.observed.has_bounds:
            ends = [b.observed.low, b.observed.high]
            axes.plot([b.predicted] * 2, ends, color=series.colour, linewidth=1.3, alpha=0.55)
    points = ([b.predicted for b in known], [b.observed.value for b in known])
    axes.plot(*points, "o-", color=series.colour, linewidth=1.4, markersize=4.5, label=f" {shorten(series.name, 34)}")


@mpl.rc_context(STYLE)
def score_curves(
    panels: Sequence[tuple[str, str, Sequence[Curve]]], xlabel: str, ylabel: str, *, rising: bool
) -> Figure:
    """Draw (title, colour, curves) per panel: the first curve in colour and with its band, the others in grey."""
    figure, every = _panels(len(panels), 3.6)
    for (axes,), (title, colour, curves) in zip(every, panels, strict=True):
        first = curves[0]
        axes.fill_between(first.x, first.low, first.high, color=colour, alpha=0.16, linewidth=0)
        for number, curve in enumerate(curves):
            look = {"color": MUTED, "linewidth": 1.3} if number else {"color": colour, "linewidth": 2, "zorder": 3}
            mark = {"marker": "o", "markersize": 3.5} if len(curve.x) < 10 else {}
            look["linestyle"] = DASHES[curve.style % len(DASHES)] if number else "solid"
            axes.plot(curve.x, curve.y, label=f" {shorten(curve.name, 40)}", **look, **mark)
        axes.set(title=shorten(title, 30), xlabel=xlabel, ylabel=ylabel)
        axes.xaxis.set_major_formatter(SHARE)
        axes.yaxis.set_major_formatter(SHARE)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, -0.02) if rising else 0, min(high, 1.02))
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2)}  # anywhere else it would hide a curve
        axes.legend(**below, fontsize=8, handlelength=2.6, labelspacing=0.3)
    return figure


@mpl.rc_context(STYLE)
def dot_panels(panels: Sequence[DotPanel], rows: Sequence[Row]) -> Figure:
    """Draw every row's numbers as dots with intervals, one panel per number, and the labels once at the left."""
    height = 0.25 * len(rows) + 0.80
    figure = Figure(figsize=(WIDTH, height))
    left, beside = 0.22, 0.115  # where the first panel begins, and the room for remarks, in figure widths
    width = (1 - left) / len(panels) - beside
    for column, panel in enumerate(panels):
        start = left + column * (width + beside)
        axes = figure.add_axes((start, 0.32 / height, width, (height - 0.67) / height))
        axes.set(ylim=(len(rows) - 0.4, -0.6), yticks=[], title=panel.title, facecolor="none")
        axes.spines["left"].set_visible(False)
        alike = [column for column, other in enumerate(panels) if other.line == panel.line]  # share their limits
        _limits(axes, panel, [row.numbers[column] for row in rows for column in alike])
        for y, row in enumerate(rows):
            _dot(axes, y, row, column)
        axes.xaxis.set_major_formatter(SHARE if panel.percent else "{x:.1f}")
    for y, row in enumerate(rows):
        _label(figure.axes[0], y, row, left / width, 1 / width)
    return figure


def _label(axes: Axes, y: int, row: Row, left: float, whole: float) -> None:
    """Write a row's label `left` axes widths before the axes; a heading has a rule above it."""
    x = 0.015 * whole * (not row.heading) - left
    weight = "bold" if row.heading else "normal"
    axes.text(x, y, shorten(row.label, 34), transform=axes.get_yaxis_transform(), va="center", weight=weight)
    if row.heading and y:
        axes.axhline(y - 0.5, color=RULE, linewidth=0.8, xmin=-left, xmax=whole - left, clip_on=False)


def _limits(axes: Axes, panel: DotPanel, numbers: Sequence[Interval]) -> None:
    """Set the limits of the rates and draw the line; the side on which a promise is kept is shaded."""
    known = [x for number in numbers for x in (number.value, number.low, number.high) if x is not None]
    known += [panel.line] if panel.line is not None else []
    low, high = max(min(known, default=0) - 0.06, -0.02), min(max(known, default=1) + 0.06, 1.02)
    if panel.kept:
        ends = (panel.line, high) if panel.kept == "above" else (low, panel.line)
        axes.axvspan(*ends, color=KEPT, zorder=0, linewidth=0)
    if panel.line is not None:
        axes.axvline(panel.line, color=INK, linewidth=1, linestyle=DASHED, zorder=1)
    axes.set_xlim(low, high)


def _dot(axes: Axes, y: int, row: Row, column: int) -> None:
    number, alarming = row.numbers[column], row.alarming[column]
    colour = BROKEN if alarming else row.colour
    beside = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 8.5}
    if number.value is None:
        axes.text(0.02, y, shorten(f"– {number.reason}", 44), color=MUTED, style="italic", **beside)
        return
    if number.has_bounds:
        axes.plot([number.low, number.high], [y, y], color=colour, linewidth=2.2, solid_capstyle="round", clip_on=False)
    face = "white" if row.hollow else colour
    marker = "D" if row.heading else "o"
    look = {"markerfacecolor": face, "markeredgewidth": 1.7, "markersize": 6.5, "clip_on": False}
    axes.plot(number.value, y, marker, color=colour, **look)
    weight = "bold" if alarming else "normal"
    axes.text(1.06, y, row.remarks[column], color=colour if alarming else MUTED, weight=weight, **beside)
