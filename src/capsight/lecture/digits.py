"""Handwritten digits that a library ships: 1,797 of 8 × 8 pixels.

scikit-learn's `load_digits`, from the UCI archive.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import TensorDataset


class Digits(NamedTuple):
    """Images (n, channels, size, size) in [0, 1] and labels (n,) for training, for choosing, and for the numbers."""

    training: TensorDataset
    validation: TensorDataset
    test: TensorDataset


def digits(size: int = 8, *, channels: int = 1, images: int | None = None, seed: int = 0) -> Digits:
    """Enlarge the digits to `size` pixels and deal them, 60 : 20 : 20, with all classes in each part.

    images: of each part at most; all where None. Who wrote a digit is not told, so a writer may be in every part.
    """
    source = load_digits()
    labels = torch.from_numpy(source.target).long()
    pictures = torch.from_numpy(source.images / 16).float()[:, None].expand(-1, channels, -1, -1)
    rest, test = train_test_split(range(len(labels)), test_size=0.2, stratify=labels, random_state=seed)
    training, validation = train_test_split(rest, test_size=0.25, stratify=labels[rest], random_state=seed)

    def part(rows: list[int]) -> TensorDataset:
        rows = rows[:images]
        return TensorDataset(F.interpolate(pictures[rows], size=size, mode="bilinear"), labels[rows])

    return Digits(part(training), part(validation), part(test))
