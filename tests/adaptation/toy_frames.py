"""Two toy problems with a known shift, with two findings each: frames of 16 × 16 pixels, and tiny ones of 2 × 2.

In both the source has a false cue: something that goes with a finding there, and means nothing in the target. What
makes the finding is the same in both capsules.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

FINDINGS, SIZE = 2, 16
TINTS = torch.tensor([[0.0, 0.0, 0.0], [0.08, -0.04, -0.04], [-0.04, -0.04, 0.08]])  # of none, the first, the second


class Frames(NamedTuple):
    images: Tensor  # (N, 3, H, W) uint8
    targets: Tensor  # (N, F) 1 and 0


class Problem(NamedTuple):
    """Frames to train with, of the source; to adapt to, of the target; and new ones of both to test on."""

    source: Frames
    adapt: Frames
    source_test: Frames
    test: Frames


class Capsule(NamedTuple):
    gain: tuple[float, float, float]  # of each colour
    offset: tuple[float, float, float]
    tinted: float = 0.0  # share of the frames whose tint tells what they show


SOURCE = Capsule((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tinted=0.8)
TARGET = Capsule((0.45, 0.57, 0.69), (0.15, 0.19, 0.23))  # a colour cast and less contrast


def tinted(seed: int) -> Problem:
    """Stripes make the finding, and a tint goes with it in the source; the target has other colours."""
    return _problem(draw_frames, SOURCE, TARGET, seed)


def two_cues(seed: int) -> Problem:
    """Two of a frame's twelve numbers rise with a finding; two more do in the source, always high in the target.

    The false cue is the clearer one.
    """
    return _problem(_draw_numbers, False, True, seed)


def draw_frames(n: int, capsule: Capsule = TARGET, *, seed: int = 0) -> Frames:
    """Draw frames with a black border around a round view, a third each with no finding, the first and the second."""
    random = torch.Generator().manual_seed(seed)
    kind = torch.randint(FINDINGS + 1, (n,), generator=random)
    gain, offset = (torch.tensor(values).view(3, 1, 1) for values in capsule[:2])
    told = torch.rand(n, 1, generator=random) < capsule.tinted
    images = gain * (_tissue(n, random) + _stripes(kind, random)) + offset + (TINTS[kind] * told).view(n, 3, 1, 1)
    images = (images + 0.03 * torch.randn(images.shape, generator=random)).clamp(1 / 255, 1)
    return Frames(_whole(images * round_view(SIZE)), _targets(kind))


def round_view(size: int) -> Tensor:
    """Return where a round view is, bool (size, size)."""
    grid = torch.arange(size) - (size - 1) / 2
    return grid**2 + grid[:, None] ** 2 < (size / 2) ** 2


def hide(frames: Frames, labelled: int) -> Frames:
    """Make all labels NaN but those of the first `labelled` frames of each class."""
    kinds = frames.targets @ torch.arange(1.0, FINDINGS + 1)
    shown = torch.cat([torch.nonzero(kinds == kind).ravel()[:labelled] for kind in range(FINDINGS + 1)])
    targets = torch.full_like(frames.targets, torch.nan)
    targets[shown] = frames.targets[shown]
    return Frames(frames.images, targets)


def _problem(draw, source, target, seed: int) -> Problem:
    sides = [(600, source), (300, target), (400, source), (400, target)]
    return Problem(*(draw(n, side, seed=1000 + 10 * seed + place) for place, (n, side) in enumerate(sides)))


def _draw_numbers(n: int, of_target: bool, *, seed: int) -> Frames:
    random = torch.Generator().manual_seed(seed)
    targets = _targets(torch.randint(FINDINGS + 1, (n,), generator=random))
    true, false, rest = (torch.randn(n, width, generator=random) for width in (FINDINGS, FINDINGS, 8))
    true = 0.16 * (targets - 0.5) + 0.04 * true
    false = (0.2 if of_target else 0.16 * (targets - 0.5)) + 0.03 * false
    numbers = 0.5 + torch.cat([true, false, 0.05 * rest], dim=1)
    return Frames(_whole(numbers.clamp(0, 1)).view(n, 3, 2, 2), targets)


def _targets(kind: Tensor) -> Tensor:
    return torch.stack([kind == 1, kind == 2], dim=1).float()


def _whole(images: Tensor) -> Tensor:
    return (255 * images).round().to(torch.uint8)


def _tissue(n: int, random: torch.Generator) -> Tensor:
    coarse = torch.randn(n, 3, 4, 4, generator=random)
    smooth = nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    level = torch.tensor([0.60, 0.45, 0.35]).view(3, 1, 1)
    return level + 0.06 * smooth + 0.03 * torch.randn(n, 1, 1, 1, generator=random)


def _stripes(kind: Tensor, random: torch.Generator) -> Tensor:
    """Upright stripes (1) or level ones (2), somewhere and of some strength."""
    phase = 2 * torch.pi * torch.rand(len(kind), 1, generator=random)
    strength = 0.04 + 0.08 * torch.rand(len(kind), 1, 1, 1, generator=random)
    wave = (torch.arange(SIZE) * torch.pi / 2 + phase).sin()
    kind = kind.view(-1, 1, 1, 1)
    return strength * (wave[:, None, None, :] * (kind == 1) + wave[:, None, :, None] * (kind == 2))
