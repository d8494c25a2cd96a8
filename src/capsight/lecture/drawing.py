"""Pictures of the lessons, in the style of the reports."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from capsight.files import atomic
from capsight.report.plots import STYLE, WIDTH

styled = mpl.rc_context(STYLE)  # a decorator for functions that draw


@styled
def panels(number: int = 1, *, height: float = 3.8, lines: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure in the house's style and its `number` axes, side by side in `lines` lines."""
    figure = Figure(figsize=(WIDTH, height * lines), layout="constrained")
    axes = list(figure.subplots(lines, -(-number // lines), squeeze=False).ravel())
    for spare in axes[number:]:
        spare.set_visible(False)
    return figure, axes[:number]


@styled
def show_images(axes: Sequence[Axes], images: Sequence[ArrayLike], titles: Sequence[str] = ()) -> None:
    """Show one image, (H, W) or (H, W, 3) in [0, 1], on each of `axes`, without ticks."""
    for index, (panel, image) in enumerate(zip(axes, images, strict=True)):
        panel.imshow(np.asarray(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        panel.set(xticks=[], yticks=[], title=titles[index] if titles else "")
        panel.grid(False)


@styled
def save(figure: Figure, file: str | Path) -> None:
    """Write `figure` as PNG, whole or not at all."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log":
                axis.set_major_formatter(lambda value, _: f"{value:g}")  # matplotlib's own is TeX, which is off
                axis.set_minor_formatter("")
    with atomic(file) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
