"""Two frames side by side, and which of their regions make them near or far for a model."""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgba
from matplotlib.figure import Figure

from capsight.report.plots import STYLE, WIDTH, shorten

NEAR, FAR = "#1b7837", "#c51b7d"  # green and magenta of ColorBrewer: no colour of tissue, and told apart by all eyes
# Clear in the middle, so that the frame is seen where it does not matter.
COLOURS = LinearSegmentedColormap.from_list(
    "near_far", [(0, to_rgba(NEAR, 0.85)), (0.5, to_rgba(NEAR, 0)), (0.5, to_rgba(FAR, 0)), (1, to_rgba(FAR, 0.85))]
)


@mpl.rc_context(STYLE)
def pair_picture(
    frame_a: np.ndarray,
    frame_b: np.ndarray,
    map_a: np.ndarray,
    map_b: np.ndarray,
    squared_distance: float,
    names: tuple[str, str] = ("first frame", "second frame"),
) -> Figure:
    """Draw two frames (H, W, 3) uint8, and over each its map (h, w) of `explain.pairs.pair_maps`.

    Both maps have one scale, the share of the squared distance that a position has: together they sum to 100 %.
    """
    shares = [100 * np.asarray(values, dtype=float) / (squared_distance or 1) for values in (map_a, map_b)]
    largest = max(abs(share).max() for share in shares) or 1
    scale = Normalize(-largest, largest)

    figure = Figure(figsize=(WIDTH, 3.1), layout="constrained")
    figure.suptitle(f"Distance {np.sqrt(squared_distance):.3g}", x=0.006, ha="left", weight="bold", size=12)
    axes = figure.subplots(1, 4)
    for (left, right), frame, share, name in zip(axes.reshape(2, 2), (frame_a, frame_b), shares, names, strict=True):
        left.imshow(frame)
        left.set_title(_end(name), size=9, weight="normal")
        _overlay(right, frame, share, scale)
    for one in axes:
        one.set_axis_off()
    bar = figure.colorbar(ScalarMappable(scale, COLOURS), ax=list(axes), shrink=0.9, aspect=16, pad=0.015)
    bar.solids.set_rasterized(True)  # as vectors its cells would overlap
    bar.set_label(
        "makes them near  |  makes them far\n% of the squared distance, per position", color=STYLE["text.color"]
    )
    return figure


def _overlay(axes: Axes, frame: np.ndarray, share: np.ndarray, scale: Normalize) -> None:
    height, width = frame.shape[:2]
    axes.imshow(frame.mean(axis=2), cmap="gray", vmin=0, vmax=255)
    place = (-0.5, width - 0.5, height - 0.5, -0.5)
    # "data": the values are interpolated, and not the colours, which would be darker where near meets far.
    axes.imshow(share, cmap=COLOURS, norm=scale, interpolation="bilinear", interpolation_stage="data", extent=place)


def _end(name: str, length: int = 34) -> str:
    """Return the end of a name, where paths differ."""
    name = shorten(name, 500)
    return name if len(name) <= length else f"…{name[1 - length :]}"
