"""Source frames that look like target frames: what the methods that change images have in common."""

from collections.abc import Callable

import torch
from torch import Tensor


def restyle(images: Tensor, target: Tensor, share: float, change: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Give a share of the source frames the look of target frames of the batch, drawn at random with repeats.

    images: (B, 3, H, W) in [0, 1], target (B,) bool. `change(frames, looks)` returns `frames` (n, 3, H, W) with the
    look of `looks` (n, 3, H, W), in float32 whatever the precision of training. Returns new images, in [0, 1]; what is
    black in a frame, as all that lies outside the view, stays black. Without a target frame nothing changes.
    """
    chosen = ~target & (torch.rand(len(target), device=target.device) < share)
    looks = images[target & in_view(images).flatten(1).any(dim=1)].float()  # a black frame has no look
    if len(looks) == 0 or not chosen.any():
        return images
    frames = images[chosen].float()
    looks = looks[torch.randint(len(looks), (len(frames),), device=images.device)]
    with torch.autocast(images.device.type, enabled=False):
        changed = change(frames, looks).clamp(0, 1) * in_view(frames)
    images = images.clone()  # keeps the memory format
    images[chosen] = changed.to(images)
    return images


def in_view(images: Tensor) -> Tensor:
    """Return where frames (B, 3, H, W) are not black, bool (B, 1, H, W)."""
    return (images != 0).any(dim=1, keepdim=True)


def check_share(share: float) -> float:
    """Return a share in [0, 1]; ValueError for another."""
    if not 0 <= share <= 1:
        raise ValueError(f"share={share} is not possible; it is a number from 0 to 1")
    return share
