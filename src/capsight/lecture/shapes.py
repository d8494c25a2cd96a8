"""Made pictures of shapes: few, noisy, and the same shape when it is mirrored or moved."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch.utils.data import TensorDataset

from capsight.errors import UserError

# radius of the outline at `angle`, in shares of the size; a ring and a half disc are drawn by themselves
OUTLINES = {
    "circle": lambda angle: np.ones_like(angle),
    "triangle": lambda angle: _polygon(angle, 3),
    "square": lambda angle: _polygon(angle, 4),
    "pentagon": lambda angle: _polygon(angle, 5),
    "hexagon": lambda angle: _polygon(angle, 6),
    "star of 3": lambda angle: 0.65 + 0.35 * np.cos(3 * angle),
    "star of 4": lambda angle: 0.65 + 0.35 * np.cos(4 * angle),
    "star of 5": lambda angle: 0.65 + 0.35 * np.cos(5 * angle),
    "star of 6": lambda angle: 0.65 + 0.35 * np.cos(6 * angle),
    "bar": lambda angle: 0.3 / np.maximum(np.abs(np.sin(angle)), 0.3),
    "lens": lambda angle: 0.5 / np.sqrt(0.25 * np.cos(angle) ** 2 + np.sin(angle) ** 2),
    "heart": lambda angle: 0.55 - 0.45 * np.sin(angle),
}
SHAPES = tuple(OUTLINES)


def shapes(images: int, *, size: int, names: Sequence[str], noise: float, seed: int) -> TensorDataset:
    """Draw `images` pictures (images, 3, size, size) in [0, 1], of all `names` in turn, and their labels (images,).

    Place, size, direction and colours vary. noise: standard deviation, in shares of the brightness. Raises UserError
    for names that are none of `SHAPES`.
    """
    if len(names) < 2 or len(set(names)) < len(names) or not set(names) <= set(SHAPES):
        raise UserError(f"lesson.classes={list(names)} is not possible; give two or more different of {list(SHAPES)}.")
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % len(names)
    pictures = np.stack([_draw(OUTLINES[names[label]], size, rng) for label in labels])
    pictures = np.clip(pictures + noise * rng.standard_normal(pictures.shape), 0, 1)
    return TensorDataset(torch.from_numpy(pictures).float().permute(0, 3, 1, 2), torch.from_numpy(labels))


def _draw(outline, size: int, rng: np.random.Generator) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    radius = size * rng.uniform(0.25, 0.38) * outline(angle)
    turned = angle + rng.uniform(0, 2 * np.pi)
    centre = size / 2 + size * rng.uniform(-0.1, 0.1, size=2)
    points = centre + radius[:, None] * np.stack([np.cos(turned), np.sin(turned)], axis=1)
    background = rng.uniform(0.1, 0.5, size=3)
    colour = background + rng.uniform(0.2, 0.5, size=3)
    if rng.random() < 0.5:
        background, colour = colour, background
    picture = np.broadcast_to(background, (size, size, 3)).copy()
    cv2.fillPoly(picture, [np.round(16 * points).astype(np.int32)], colour.tolist(), cv2.LINE_AA, shift=4)
    return picture


def _polygon(angle: np.ndarray, corners: int) -> np.ndarray:
    half = np.pi / corners
    return np.cos(half) / np.cos(angle % (2 * half) - half)
