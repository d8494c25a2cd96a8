"""How much mucosa a frame shows: what bile, bubbles, darkness and blur take away, by simple measures of the picture.

Each is the share of the camera's view, 0 to 1, that is so; a pixel may be several. The numbers were chosen on frames of
two real capsules (PillCam SB3, Olympus Endocapsule 10), and hold for their colours: a capsule with a yellow-green cast
shows bile everywhere. They sort frames and explain them, and replace no scale of bowel cleansing.
"""

from typing import NamedTuple

import cv2
import numpy as np

# All lengths are pixels of a frame that is 112 pixels wide, `view.on_grid`.
DARK = 40  # of 255: the brightest channel below which nothing can be told
GREEN = 0.80  # green as a share of red, above which tissue is covered by bile; mucosa is redder
YELLOW = 0.70  # blue as a share of green, below which a colour is no grey
GRAIN = 0.8  # pixels; what is finer are villi, which would look like foam in a sharpened frame
RING = 10  # of 255: how much brighter than its surroundings the rim or gloss of a bubble is, or a crumb of food
CROWDED = 0.25  # the share of such pixels around a place from which it is foam
DETAIL = 2.0  # of 255: the mean change between neighbouring pixels below which a lit place is out of focus
PATCH = 9  # pixels around a place that are judged together


class Mucosa(NamedTuple):
    """Shares of the view: what can be judged, and what cannot for which reason."""

    visible: float
    bile: float
    bubbles: float
    dark: float
    blur: float


def judge_mucosa(small: np.ndarray, view: np.ndarray) -> Mucosa:
    """Measure an RGB frame on the grid, uint8 (h, w, 3), within the frame's field of view, bool (H, W)."""
    inside = cv2.resize(view.view(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    inside = cv2.erode(inside, np.ones((3, 3), np.uint8), borderValue=1) > 0  # the rim is an edge
    causes = covered(small)
    number = max(1, int(inside.sum()))
    hidden = causes["bile"] | causes["bubbles"] | causes["dark"] | causes["blur"]
    shares = {name: float((where & inside).sum() / number) for name, where in causes.items()}
    return Mucosa(visible=float((inside & ~hidden).sum() / number), **shares)


def covered(small: np.ndarray) -> dict[str, np.ndarray]:
    """Return where a small frame (h, w, 3) shows bile, bubbles, darkness and blur, each bool (h, w)."""
    red, green, blue = (channel.astype(np.float32) for channel in cv2.split(small))
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    dark = np.maximum(np.maximum(red, green), blue) < DARK
    bile = (green > GREEN * red) & (blue < YELLOW * green) & ~dark
    smooth = cv2.GaussianBlur(grey, (0, 0), GRAIN)
    rings = cv2.morphologyEx(smooth, cv2.MORPH_TOPHAT, np.ones((5, 5), np.uint8)) > RING
    bubbles = cv2.blur(rings.astype(np.float32), (PATCH, PATCH)) > CROWDED
    change = np.abs(cv2.Laplacian(grey, cv2.CV_32F, ksize=1))
    blur = (cv2.blur(change, (PATCH, PATCH)) < DETAIL) & ~dark & ~bile
    return {"bile": bile, "bubbles": bubbles, "dark": dark, "blur": blur}
