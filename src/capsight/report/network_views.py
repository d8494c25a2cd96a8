"""Pictures of a network: its first filters and its feature maps as grids, and an overview of both on one page."""

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from capsight.files import atomic
from capsight.report.plots import MUTED, STYLE, shorten

# All lengths are pixels of a page, of which 96 are an inch; the files have twice as many.
TILE, GAP, MARGIN, LINE = 64, 2, 12, 18
PAGE = 16 * (TILE + GAP) - GAP + 2 * MARGIN
NAMES = 190  # the column of the layers' names in an overview
PER_LAYER, FILTERS, MOST_LAYERS = 13, 39, 16  # shown in an overview


def filter_tiles(filters: np.ndarray) -> list[np.ndarray]:
    """Colour each filter (n, channels, k, k) by its own smallest and largest weight, uint8 (k, k, 3).

    All channels of a filter share one scale, so that its colours are true. Filters of other than three channels are
    shown by their mean over the channels.
    """
    filters = np.asarray(filters, dtype=float)
    if filters.shape[1] != 3:
        filters = filters.mean(axis=1, keepdims=True).repeat(3, axis=1)
    return [np.uint8(np.rint(255 * _unit(one))) for one in filters.transpose(0, 2, 3, 1)]


def map_tiles(maps: np.ndarray) -> list[np.ndarray]:
    """Colour each feature map (n, h, w) by its own smallest and largest value, uint8 (h, w, 3)."""
    return [np.uint8(255 * mpl.colormaps["viridis"](_unit(one))[..., :3]) for one in np.asarray(maps, dtype=float)]


def grid(tiles: Sequence[np.ndarray], columns: int | None = None) -> np.ndarray:
    """Lay tiles of one shape out line by line, each TILE pixels on its longer side: uint8 (H, W, 3), white between.

    Small ones are enlarged by repeating pixels. Without `columns`, as many as fill the lines best.
    """
    tiles = [_resized(tile) for tile in tiles]
    height, width = tiles[0].shape[:2]
    fit = min(len(tiles), (PAGE - 2 * MARGIN + GAP) // (width + GAP))
    columns = columns or min(range(fit, fit * 2 // 3, -1), key=lambda number: -len(tiles) % number)
    lines = -(-len(tiles) // columns)
    sheet = np.full((lines * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = (height + GAP) * (number // columns), (width + GAP) * (number % columns)
        sheet[top : top + height, left : left + width] = tile
    return sheet


@mpl.rc_context(STYLE)
def filters_picture(filters: np.ndarray, network: str = "") -> Figure:
    """Draw first-layer filters (n, channels, k, k), as Krizhevsky et al. 2012 do in figure 3."""
    n, channels, *size = filters.shape
    title = f"{n} first-layer filters" + (f" of {network}" if network else "")
    colours = "in colour" if channels == 3 else f"the mean of {channels} channels"
    caption = f"{_by(size)} pixels, {colours}; each filter from its smallest to its largest weight"
    return _sheet(grid(filter_tiles(filters)), title, caption)


@mpl.rc_context(STYLE)
def maps_picture(layer: str, maps: np.ndarray) -> Figure:
    """Draw the feature maps (channels, h, w) of one layer."""
    n, *size = maps.shape
    caption = f"{n} channels of {_by(size)} positions; each from its smallest value (dark) to its largest (light)"
    return _sheet(grid(map_tiles(maps)), layer, caption)


@mpl.rc_context(STYLE)
def overview(frame: np.ndarray, filters: np.ndarray, maps: Mapping[str, np.ndarray], network: str = "") -> Figure:
    """Draw a frame (H, W, 3) uint8, the network's first filters, and the first channels of its layers, on one page.

    Of more than MOST_LAYERS layers, as many evenly spaced ones are shown.
    """
    tiles, names = filter_tiles(filters), list(maps)
    shown = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, MOST_LAYERS).round().astype(int))]
    strips = [grid(map_tiles(maps[name][:PER_LAYER]), columns=PER_LAYER) for name in shown]
    sample = grid(tiles[:FILTERS], columns=PER_LAYER)
    side = max(sample.shape[0], NAMES - 2 * MARGIN)

    top, left = MARGIN + 3 * LINE, MARGIN + NAMES
    page = _page(top + side + 2 * LINE + sum(strip.shape[0] + MARGIN for strip in strips))
    _write(page, MARGIN, MARGIN, shorten(network or "A network", 100), weight="bold", size=12)
    _write(page, left, top - LINE, _count("first-layer filters", min(FILTERS, len(tiles)), len(tiles)), color=MUTED)
    _place(page, MARGIN, top, _resized(frame, NAMES - 2 * MARGIN))
    _place(page, left, top, sample)
    top += side + 2 * LINE
    layers = _count("layers", len(shown), len(names))
    _write(page, left, top - LINE, f"{layers}; each map from its smallest value (dark) to its largest", color=MUTED)
    for name, strip in zip(shown, strips, strict=True):
        _write(page, MARGIN, top, shorten(name, 28), weight="bold")
        _write(page, MARGIN, top + LINE, f"{_by(maps[name].shape[1:])} positions", color=MUTED)
        _place(page, left, top, strip)
        top += strip.shape[0] + MARGIN
    return page


def write_network_views(
    out: str | Path, frame: np.ndarray, filters: np.ndarray, maps: Mapping[str, np.ndarray], network: str = ""
) -> list[Path]:
    """Write overview.png, filters.png and one numbered PNG per layer into `out`; returns their paths."""
    out = Path(out)
    paths = [_save(overview(frame, filters, maps, network), out / "overview.png")]
    paths.append(_save(filters_picture(filters, network), out / "filters.png"))
    for number, (layer, values) in enumerate(maps.items(), start=1):
        name = re.sub(r"[^\w.-]", "_", layer)[:80]
        paths.append(_save(maps_picture(layer, values), out / f"{number:02d}_{name}.png"))
    return paths


def _sheet(picture: np.ndarray, title: str, caption: str) -> Figure:
    top = MARGIN + 3 * LINE
    page = _page(top + picture.shape[0] + MARGIN)
    _write(page, MARGIN, MARGIN, shorten(title, 100), weight="bold", size=12)
    _write(page, MARGIN, MARGIN + 1.4 * LINE, caption, color=MUTED)
    _place(page, MARGIN, top, picture)
    return page


def _page(height: float) -> Figure:
    return Figure(figsize=(PAGE / 96, height / 96), dpi=96)


def _place(page: Figure, left: float, top: float, picture: np.ndarray) -> None:
    """Show a picture with its upper left corner there, one of its pixels as one of the page's."""
    width, height = page.get_size_inches() * 96
    lines, columns = picture.shape[:2]
    axes = page.add_axes((left / width, 1 - (top + lines) / height, columns / width, lines / height))
    axes.imshow(picture, interpolation="nearest", aspect="auto")
    axes.set_axis_off()


def _write(page: Figure, left: float, top: float, text: str, **style) -> None:
    width, height = page.get_size_inches() * 96
    page.text(left / width, 1 - top / height, text, va="top", **style)


def _save(figure: Figure, path: Path) -> Path:
    with mpl.rc_context(STYLE), warnings.catch_warnings(), atomic(path) as temporary:
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(temporary, dpi=192)
    return path


def _unit(values: np.ndarray) -> np.ndarray:
    """Scale values to [0, 1]; all 0 where they are all the same. What is not finite counts as 0."""
    values = np.nan_to_num(values, posinf=0, neginf=0)
    low, high = values.min(), values.max()
    return (values - low) / ((high - low) or 1)


def _resized(picture: np.ndarray, side: int = TILE) -> np.ndarray:
    """Scale a picture to `side` pixels on its longer side: larger by repeating pixels, smaller by averaging."""
    scale = side / max(picture.shape[:2])
    size = [max(1, round(scale * length)) for length in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST if scale > 1 else cv2.INTER_AREA)


def _by(size: Sequence[int]) -> str:
    return " × ".join(str(length) for length in size)


def _count(things: str, shown: int, there_are: int) -> str:
    return f"{shown} of {there_are} {things}" if shown < there_are else f"{there_are} {things}"
