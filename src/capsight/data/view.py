"""The field of view: which pixels the capsule's camera saw, and which are border, mask or burned-in text."""

import cv2
import numpy as np

GRID = 112  # pixels of the longer side on which the view is searched: two pixels of a 224-pixel frame each
# In black borders JPEG ringing reaches 14 of 255, and the grey square in the corner of SEE-AI's frames 21.
LIT = 24
TEXT = 7  # pixels of the grid; burned-in letters are smaller
SMALLEST = 0.25  # of the frame; what is smaller is a light spot in a dark frame rather than the whole view
CENTRED = 0.1  # of the frame; a lit region whose middle is this near to the frame's is taken as centred


def on_grid(image: np.ndarray) -> np.ndarray:
    """Scale an RGB frame, uint8 (H, W, 3), down to GRID pixels on its longer side; a smaller one stays as it is."""
    size = np.array(image.shape[1::-1])
    grid = np.maximum(1, np.rint(size * min(1, GRID / size.max())).astype(int))
    return cv2.resize(image, grid, interpolation=cv2.INTER_AREA)


def field_of_view(image: np.ndarray, small: np.ndarray | None = None) -> np.ndarray:
    """Find the camera's view in an RGB frame, uint8 (H, W, 3); returns a bool mask (H, W). small: `on_grid(image)`.

    Views are convex and mirror-symmetric (round, eight-sided, square with cut corners). So the view is the
    convex hull of the largest lit region and its mirror images: dark tissue stays in, also at the rim.
    All True where nothing, or only a small spot, is lit.
    """
    small = on_grid(image) if small is None else small
    size, grid = np.array(image.shape[1::-1]), np.array(small.shape[1::-1])
    view = np.zeros(image.shape[:2], np.uint8)
    hull = _mirrored(_lit_hull(small), grid)
    if cv2.contourArea(hull) < SMALLEST * grid.prod():
        return ~view.view(bool)
    corners = hull * (size - 1) / np.maximum(1, grid - 1)  # the edge of the grid is the edge of the frame
    return cv2.fillConvexPoly(view, np.rint(corners).astype(np.int32), 1).view(bool)


def mask_outside(image: np.ndarray, view: np.ndarray) -> np.ndarray:
    """Return a copy of the frame (H, W, 3) that is zero outside the view, bool (H, W)."""
    return cv2.copyTo(image, view.view(np.uint8))


def _lit_hull(small: np.ndarray) -> np.ndarray:
    """The hull (n, 2), corners as x and y, of the largest lit region; the origin where nothing is lit."""
    red, green, blue = cv2.split(small)
    _, lit = cv2.threshold(cv2.max(cv2.max(red, green), blue), LIT - 1, 1, cv2.THRESH_BINARY)
    lit = cv2.erode(lit, np.ones((TEXT, TEXT), np.uint8))  # cuts touching text off
    lit = cv2.dilate(lit, np.ones((TEXT - 2, TEXT - 2), np.uint8))  # one pixel less: the rim is blurred
    regions, _ = cv2.findContours(lit, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return cv2.convexHull(max(regions, key=cv2.contourArea))[:, 0] if regions else np.zeros((1, 2), np.int32)


def _mirrored(hull: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The hull of `hull` (n, 2) and its mirror images: top to bottom, left to right, and both."""
    low, high = hull.min(axis=0), hull.max(axis=0)
    # With one side dark, the lit part's middle is not the view's. The frame's middle is, where the two are
    # near, and where the view reaches the frame's edge, as in frames that were cropped to their view.
    centred = (abs(low + high - (grid - 1)) <= 2 * CENTRED * grid) | (low <= 1) | (high >= grid - 2)
    across = np.where(centred, grid - 1, low + high) - hull
    images = [np.where(flip, across, hull) for flip in ((0, 0), (0, 1), (1, 0), (1, 1))]
    return cv2.convexHull(np.concatenate(images).astype(np.int32))[:, 0]
