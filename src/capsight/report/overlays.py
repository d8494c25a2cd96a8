"""A map laid over its frame: colours that mucosa never has, the frame visible beneath, the truth as an outline.

Pictures are uint8 (H, W, 3), RGB.
"""

import base64
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from capsight.errors import UserError
from capsight.report.plots import INK, shorten

# Perceptually uniform, and the only such map of matplotlib without the reds and pinks of blood and mucosa: in plasma
# and magma weak evidence looks like erythema.
COLOURS = mpl.colormaps["viridis"]
HALF = 0.6  # the colour of the line around all that is above half of the scale
OPAQUE = 0.62  # of the strongest evidence; above it folds and vessels vanish beneath the colour
SIDE = 320  # pixels of a picture's longer side; capsule frames have 96 to 576
BAR = 24  # pixels of the scale beneath the frame
TISSUE = (176, 116, 88)  # what the colours lie on in the scale
TEXT, GREY = "#f3f6f8", "#aab4be"
FONTS = Path(mpl.get_data_path(), "fonts", "ttf")  # matplotlib brings its own, so the signs are always there


def common_scale(maps: Iterable[np.ndarray], *, frames: float = 0.95, pixels: float = 0.99) -> float | None:
    """Return the evidence at which the colours of one method and finding end, the same for all its frames.

    The quantile `pixels` of each map is its strength, whatever single pixels do, and the quantile `frames` of these is
    the scale: with a scale of its own, a frame without the finding would show its noise as evidence. Maps that hold
    NaN or infinity do not count. None where no map has evidence for the finding.
    """
    strengths = [np.quantile(map, pixels) for map in maps if map.size and np.isfinite(map).all()]
    scale = float(np.quantile(strengths, frames)) if strengths else 0.0
    return scale if scale > 0 else None


def overlay(
    frame: np.ndarray, map: np.ndarray, *, vmax: float | None, truth: np.ndarray | None = None, meaning="evidence"
) -> np.ndarray:
    """Lay a map (h, w) over a frame (H, W, 3), with a scale beneath that ends at `vmax` (see `common_scale`).

    Only evidence for the finding is coloured, with a thin line around what is above half of the scale; zero and below
    leave the frame as it is. The map, and truth (bool, the finding's true region), are of the frame's shape, or square
    over the square that the frame was padded to. Without a scale, or with NaN in the map, the frame stays bare and the
    text beneath says why. meaning: the word before the scale. The frame's longer side becomes SIDE pixels. Raises
    UserError where the map or the truth is of another shape.
    """
    map, picture = np.asarray(map, np.float32), _enlarged(frame)
    height, width = picture.shape[:2]
    for values in (map,) if truth is None else (map, truth):
        _check_shape(values, frame)
    why = _nothing_to_show(map, vmax)
    if not why:
        share = np.clip(_placed(map, frame, (height, width)) / vmax, 0, 1)
        picture = _coloured(picture, share)
        # Where bile is green and mucosa yellow, colours alone may be taken for tissue.
        _draw_edges(picture, share >= 0.5, tuple(int(255 * part) for part in COLOURS(HALF)[:3]), 1)
    if truth is not None:
        outline(picture, _placed(truth, frame, (height, width)) > 0.5)
    return np.concatenate([picture, _note(width, why) if why else _scale(width, vmax, meaning)])


def heat(frame: np.ndarray, map: np.ndarray, vmax: float) -> np.ndarray:
    """Return the colours of a map alone, RGBA (h, w, 4), to be laid over the frame (H, W, 3): transparent where cold.

    The map is as in `overlay`. The longer side is SIDE pixels at most.
    """
    height, width = _enlarged(frame).shape[:2] if max(frame.shape[:2]) > SIDE else frame.shape[:2]
    share = np.clip(_placed(np.asarray(map, np.float32), frame, (height, width)) / vmax, 0, 1)
    colours = COLOURS(share)
    colours[..., 3] = OPAQUE * share
    return np.uint8(np.rint(255 * colours))


def hot_box(frame: np.ndarray, map: np.ndarray) -> tuple[int, int, int, int] | None:
    """Return the box (left, top, width, height), in pixels of the frame, around where a map is strongest.

    It holds the connected region above half of the map's maximum with the maximum in it; None where nothing is above 0.
    """
    placed = _placed(np.asarray(map, np.float32), frame, frame.shape[:2])
    if not np.isfinite(placed).all() or placed.max() <= 0:
        return None
    _, regions, boxes, _ = cv2.connectedComponentsWithStats(np.uint8(placed >= placed.max() / 2))
    return tuple(int(side) for side in boxes[regions[np.unravel_index(placed.argmax(), placed.shape)], :4])


def bare(frame: np.ndarray) -> np.ndarray:
    """Return the frame (H, W, 3) without a map, of the same size as its overlays: changing them moves nothing."""
    picture = _enlarged(frame)
    return np.concatenate([picture, _note(picture.shape[1], "the frame alone")])


def outline(picture: np.ndarray, region: np.ndarray) -> None:
    """Draw the outline of a region, bool (H, W), into a picture: white on black, to be seen on any tissue."""
    _draw_edges(picture, region, (0, 0, 0), 5)
    _draw_edges(picture, region, (255, 255, 255), 1)


def side_by_side(frame: np.ndarray, overlays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Put a frame and its overlays, by title, in one row on white; rows of the same titles may be stacked."""
    pictures = {"frame": bare(frame), **overlays}
    height, width = (max(picture.shape[side] for picture in pictures.values()) for side in (0, 1))
    gap, head = 12, 28
    row = Image.new("RGB", (len(pictures) * (width + gap) + gap, head + height + gap), "white")
    for column, (title, picture) in enumerate(pictures.items()):
        left = gap + column * (width + gap)
        row.paste(Image.fromarray(picture), (left, head))
        ImageDraw.Draw(row).text((left, 6), shorten(title, width // 8), fill=INK, font=_font(14, bold=True))
    return np.array(row)


def picture_uri(picture: np.ndarray) -> str:
    """Return a picture as a WebP data URI, half as large as a JPEG of the same quality."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _enlarged(frame: np.ndarray) -> np.ndarray:
    scale = SIDE / max(frame.shape[:2])
    height, width = (max(1, round(side * scale)) for side in frame.shape[:2])
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _nothing_to_show(map: np.ndarray, vmax: float | None) -> str:
    if not np.isfinite(map).all():
        return "no map: it holds NaN or infinity"
    if vmax is None or not 0 < vmax < np.inf:
        return "no frame has evidence for it"
    return "" if np.max(map) > 0 else f"no evidence for it here (scale 0 to {vmax:.2g})"


def _coloured(picture: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Lay the colours of `share`, 0 to 1, over a picture: the stronger, the less of it is seen."""
    opacity = OPAQUE * share[..., None]
    return np.uint8(np.rint(picture * (1 - opacity) + 255 * COLOURS(share)[..., :3] * opacity))


def _draw_edges(picture: np.ndarray, region: np.ndarray, colour: tuple[int, int, int], width: int) -> None:
    edges, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, edges, -1, colour, width, cv2.LINE_AA)


def _check_shape(values: np.ndarray, frame: np.ndarray) -> None:
    shape, (height, width) = values.shape, frame.shape[:2]
    if len(shape) != 2 or not values.size or not (shape[0] == shape[1] or _alike(values, frame)):
        size = " x ".join(map(str, shape[::-1]))
        raise UserError(f"a map or mask of {size} does not lie over a frame of {width} x {height}.")


def _alike(values: np.ndarray, frame: np.ndarray) -> bool:
    """Whether both have one shape but for the scale; a pixel is allowed for rounding. Square maps may be coarser."""
    (h, w), (height, width) = values.shape, frame.shape[:2]
    return abs(w * height - h * width) <= max(h, w, height, width)


def _placed(values: np.ndarray, frame: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Scale values (h, w), which lie over the frame or over its padded square, to the picture's `shape`."""
    (h, w), (height, width) = values.shape, shape
    over = (height, width) if _alike(values, frame) and h != w else (max(shape), max(shape))
    coarse = h <= over[0]
    values = np.asarray(values, np.float32)
    values = cv2.resize(values, over[::-1], interpolation=cv2.INTER_LINEAR if coarse else cv2.INTER_AREA)
    top, left = (over[0] - height) // 2, (over[1] - width) // 2
    return values[top : top + height, left : left + width]


def _scale(width: int, vmax: float, meaning: str) -> np.ndarray:
    """Draw what the colours mean: the word, zero, the colours, the number at which they end."""
    strip = Image.new("RGB", (width, BAR), INK)
    draw, font, middle = ImageDraw.Draw(strip), _font(12), BAR // 2
    start, end = f"{meaning}  0 ", f" \N{GREATER-THAN OR EQUAL TO} {vmax:.2g}"
    left, right = 8 + round(draw.textlength(start, font)), width - 8 - round(draw.textlength(end, font))
    draw.text((8, middle), start, fill=TEXT, font=font, anchor="lm")
    draw.text((right, middle), end, fill=TEXT, font=font, anchor="lm")
    if right > left:
        tissue = np.full((10, right - left, 3), TISSUE, np.uint8)
        strip.paste(Image.fromarray(_coloured(tissue, np.linspace(0, 1, right - left)[None])), (left, middle - 5))
        draw.line([((left + right) // 2, middle - 6), ((left + right) // 2, middle + 5)], fill=TEXT)
    return np.array(strip)


def _note(width: int, text: str) -> np.ndarray:
    strip = Image.new("RGB", (width, BAR), INK)
    ImageDraw.Draw(strip).text((8, BAR // 2), text, fill=GREY, font=_font(12), anchor="lm")
    return np.array(strip)


def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONTS / f"DejaVuSans{'-Bold' if bold else ''}.ttf"), size)
