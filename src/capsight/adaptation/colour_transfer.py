"""Colour transfer: source frames in the colours of the target capsule."""

import torch
from torch import Tensor

from capsight.adaptation.base import Adaptation
from capsight.adaptation.restyle import check_share, in_view

GAMMA = 2.2  # of the frames: what a sensor's colour filters and white balance do is a matrix in linear light only
DEVICES = 256  # capsules whose colours are kept
FLAT = 1e-6  # variance that every capsule has at least, so that one without colours can be scaled


class ColourTransfer(Adaptation):
    """Map the colours of every source capsule to those of the target capsule, by one matrix for each.

        x' = T (x - μ_source) + μ_target,   T = S^-½ (S^½ C S^½)^½ S^-½     in linear light, x = RGB ** 2.2

    S and C are the covariances (3, 3) of the colours that the source capsule and the target capsule see, over all
    frames of training so far; T is of all matrices that turn S into C the one that moves colours least.
    Pitié and Kokaram 2007, The linear Monge-Kantorovitch linear colour mapping for example-based colour transfer (IET
    CVMP), equations 5 and 6; after Reinhard et al. 2001, Color transfer between images, who scale three decorrelated
    channels of one frame to those of one other. What is shared by all frames is the capsule's; what sets a frame apart,
    as blood in it, is not touched. It is taken for granted that both capsules see the same tissue.

    Statistics are of the pixels inside the view, every frame counting the same, and black borders stay black.

    share: of the source frames that are changed in a batch; the others keep the source's look in mind, by which the
    epoch is chosen. Raises ValueError for one outside [0, 1], and for more capsules than there is room for.
    """

    needs_target = True

    def __init__(self, *, share: float = 0.5):
        super().__init__()
        self.share = check_share(share)
        self.register_buffer("n_frames", torch.zeros(DEVICES))
        self.register_buffer("mean", torch.zeros(DEVICES, 3))
        self.register_buffer("square", torch.zeros(DEVICES, 3, 3))  # of x xᵀ, the mean

    def images(self, images: Tensor, target: Tensor, device: Tensor | None = None) -> Tensor:
        device = target.long() if device is None else device
        seen = in_view(images)
        known = seen.flatten(1).any(dim=1)  # a black frame has no colours
        with torch.autocast(images.device.type, enabled=False):
            light = images.float() ** GAMMA
            self._add(light[known], seen[known], device[known])
            chosen = ~target & known & (torch.rand(len(target), device=target.device) < self.share)
            if not (target & known).any() or not chosen.any():
                return images
            there = device[target & known][0]
            changed = self._map(light[chosen], device[chosen], there).clamp(0, 1) ** (1 / GAMMA) * seen[chosen]
        images = images.clone()  # keeps the memory format
        images[chosen] = changed.to(images)
        return images

    def _add(self, light: Tensor, seen: Tensor, device: Tensor) -> None:
        """Add frames (n, 3, H, W) of devices (n,) to the running means."""
        if len(device) and device.max() >= DEVICES:
            raise ValueError(f"there are more than {DEVICES} capsules")
        pixels = seen.sum(dim=(1, 2, 3))
        inside = light * seen
        mean = inside.sum(dim=(2, 3)) / pixels[:, None]
        square = torch.einsum("nihw,njhw->nij", inside, inside) / pixels[:, None, None]
        self.n_frames.index_add_(0, device, torch.ones_like(pixels, dtype=torch.float))
        weight = 1 / self.n_frames[device]
        self.mean.index_add_(0, device, (mean - self.mean[device]) * weight[:, None])
        self.square.index_add_(0, device, (square - self.square[device]) * weight[:, None, None])

    def _map(self, light: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Return frames (n, 3, H, W) of capsules (n,) in the colours of the capsule `target`."""
        matrix = monge_kantorovitch(self._covariance(source), self._covariance(target[None])).to(light)
        offset = self.mean[target] - torch.einsum("nij,nj->ni", matrix, self.mean[source])
        return torch.einsum("nij,njhw->nihw", matrix, light) + offset[:, :, None, None]

    def _covariance(self, device: Tensor) -> Tensor:
        mean, square = self.mean[device].double(), self.square[device].double()
        return square - mean[:, :, None] * mean[:, None, :] + FLAT * torch.eye(3).to(square)


def monge_kantorovitch(source: Tensor, target: Tensor) -> Tensor:
    """Return T (..., 3, 3), symmetric, with T source Tᵀ = target, for positive definite covariances (..., 3, 3)."""
    root = _power(source, 0.5)
    back = _power(source, -0.5)
    return back @ _power(root @ target @ root, 0.5) @ back


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=torch.finfo(matrix.dtype).tiny).pow(exponent).unsqueeze(-2) @ vectors.mT
