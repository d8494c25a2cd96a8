"""The pictures of the page about a change of capsule, in the style of the report's other plots."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from capsight.report.plots import INK, MARKERS, MUTED, OKABE_ITO, PER_LINE, RULE, STYLE, WIDTH, shorten
from capsight.report.tables import Interval

SHADES = LinearSegmentedColormap.from_list("auroc", ["#fff4e6", "#cfe3f1", "#3f86b8", "#0b3c5d"])
DASHED = (0, (4, 3))
SHOWN = (-1.0, 2.0)  # shares that a forest plot shows; the numbers beside it are whole


@dataclass(frozen=True)
class Square:
    """One field of the matrix: what a model of a source is worth on a device."""

    row: int
    column: int
    number: Interval
    home: bool  # the source's own device, on new patients


@dataclass(frozen=True)
class Panel:
    """Curves over the labelled frames: (name, colour index, k, numbers) each, and what stays the same."""

    title: str
    homes: list[Interval]
    before: list[Interval]
    lines: list[tuple[str, int, list[int], list[Interval]]]


@dataclass(frozen=True)
class Share:
    """One method of the forest plot: its share of the drop, and those on the single targets."""

    name: str
    colour: str
    number: Interval
    told: str  # the number in words
    targets: list[float]
    heading: bool = False


@mpl.rc_context(STYLE)
def matrix(rows: Sequence[str], columns: Sequence[str], squares: Sequence[Square]) -> Figure:
    """Draw a field for every source and target: the darker, the higher the AUROC; a frame means at home."""
    height = 0.62 * len(rows) + 0.95
    figure = Figure(figsize=(WIDTH, height))
    left = 0.24
    width = min(1 - left - 0.02, 0.115 * len(columns) + 0.02)
    axes = figure.add_axes((left, 0.25 / height, width, (height - 0.90) / height))
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    for square in squares:
        _square(axes, square)
    for x, name in enumerate(columns):
        axes.text(x, -0.62, _broken(name), ha="center", va="bottom", color=INK, fontsize=8.5)
    for y, name in enumerate(rows):
        axes.text(-0.6, y, shorten(name, 34), ha="right", va="center", color=INK, fontsize=9)
    return figure


def _broken(name: str) -> str:
    """Break a long name at a blank, so that neighbours do not touch."""
    name = shorten(name, 26)
    return name.replace(" ", "\n", 1) if len(name) > 12 else name


def _square(axes: Axes, square: Square) -> None:
    number, place = square.number, (square.column - 0.47, square.row - 0.45)
    shade = (number.value - 0.5) / 0.5 if number.value is not None else None
    face = "#f1f3f5" if shade is None else SHADES(min(max(shade, 0), 1))
    edge = {"edgecolor": INK, "linewidth": 1.6} if square.home else {"edgecolor": "none"}
    axes.add_patch(mpl.patches.Rectangle(place, 0.94, 0.90, facecolor=face, **edge))
    ink = "white" if shade is not None and shade > 0.62 else INK
    text = "–" if number.value is None else f"{number.value:.2f}"
    at = {"ha": "center", "va": "center", "color": ink}
    axes.text(square.column, square.row - (0.12 if number.has_bounds else 0), text, fontsize=12, weight="bold", **at)
    if number.has_bounds:
        axes.text(square.column, square.row + 0.22, f"{number.low:.2f} to {number.high:.2f}", fontsize=7.5, **at)


@mpl.rc_context(STYLE)
def curves(panels: Sequence[Panel]) -> Figure:
    """Draw the mean AUROC over the labelled frames of each class, one panel per target; the axis counts steps."""
    across = min(PER_LINE, len(panels))
    lines = -(-len(panels) // across)
    figure = Figure(figsize=(WIDTH if across > 1 else 0.62 * WIDTH, 3.3 * lines + 0.5), layout="constrained")
    figure.get_layout_engine().set(hspace=0.08)
    every = list(figure.subplots(lines, across, squeeze=False, sharey=True).ravel())
    ks = sorted({k for panel in panels for _, _, steps, _ in panel.lines for k in steps})
    for axes, panel in zip(every, panels, strict=False):
        _curves(axes, panel, ks)
    for axes in every[len(panels) :]:
        axes.set_visible(False)
    shown = {label: handle for axes in every for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(shown.values(), shown, loc="outside lower center", ncols=min(4, len(shown)), fontsize=9)
    return figure


def _curves(axes: Axes, panel: Panel, ks: Sequence[int]) -> None:
    for numbers, style, name in ((panel.homes, "solid", "source, at home"), (panel.before, DASHED, "source only")):
        for number in (one for one in numbers if one.value is not None):
            axes.axhline(number.value, color=MUTED, linewidth=1.1, linestyle=style, label=f" {name}")
    shift = 0.07
    for turn, (name, index, steps, numbers) in enumerate(panel.lines):
        x = np.array([ks.index(k) for k in steps]) + shift * (turn - (len(panel.lines) - 1) / 2)
        known = [(at, number) for at, number in zip(x, numbers, strict=True) if number.value is not None]
        colour = OKABE_ITO[index % len(OKABE_ITO)]
        for at, number in known:
            if number.has_bounds:
                axes.plot([at, at], [number.low, number.high], color=colour, linewidth=1.6, alpha=0.55)
        points = ([at for at, _ in known], [number.value for _, number in known])
        marker = MARKERS[index % len(MARKERS)]
        axes.plot(*points, color=colour, marker=marker, linewidth=1.8, markersize=5, label=f" {shorten(name, 34)}")
    axes.set(title=shorten(panel.title, 40), xticks=range(len(ks)), xlim=(-0.4, len(ks) - 0.6))
    axes.set_xticklabels([str(k) for k in ks])
    axes.set(xlabel="labelled frames for each class", ylabel="mean AUROC")


@mpl.rc_context(STYLE)
def shares(rows: Sequence[Share]) -> Figure:
    """Draw the share of the drop that each method wins back, with its interval, and small ticks for single targets."""
    height = 0.30 * len(rows) + 0.95
    figure = Figure(figsize=(WIDTH, height))
    left, span = 0.30, 0.48
    axes = figure.add_axes((left, 0.45 / height, span, (height - 0.85) / height))
    ends = [x for row in rows for x in (row.number.value, row.number.low, row.number.high, 0.0, 1.0) if x is not None]
    low, high = max(min(ends) - 0.08, SHOWN[0]), min(max(ends) + 0.08, SHOWN[1])
    axes.set(xlim=(low, high), ylim=(len(rows) - 0.4, -0.6), yticks=[])
    axes.set_xlabel("share of the drop in mean AUROC that is won back")
    axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0, symbol="\u00a0%"))
    axes.spines["left"].set_visible(False)
    for x, told in ((0, "as source only"), (1, "as at home")):
        axes.axvline(x, color=MUTED, linewidth=0.9, linestyle=DASHED)
        axes.text(x, -0.85, told, color=MUTED, fontsize=8, ha="center")
    for y, row in enumerate(rows):
        _share(axes, y, row, left / span)
    return figure


def _share(axes: Axes, y: int, row: Share, left: float) -> None:
    at = axes.get_yaxis_transform()
    weight = "bold" if row.heading else "normal"
    axes.text(0.01 - left, y, shorten(row.name, 44), transform=at, va="center", weight=weight)
    if row.heading:
        axes.axhline(y + 0.5, color=RULE, linewidth=0.8, xmin=-left, xmax=1.45, clip_on=False)
    axes.plot(row.targets, [y] * len(row.targets), "|", color=row.colour, markersize=9, alpha=0.55)
    number = row.number
    if number.value is None:
        axes.text(1.04, y, shorten(f"– {number.reason}", 34), transform=at, va="center", color=MUTED, style="italic")
        return
    if number.has_bounds:
        axes.plot([number.low, number.high], [y, y], color=row.colour, linewidth=2.4, solid_capstyle="round")
    axes.plot(number.value, y, "D" if row.heading else "o", color=row.colour, markersize=7)
    axes.text(1.04, y, row.told, transform=at, va="center", weight=weight)
