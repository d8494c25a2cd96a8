"""Fourier domain adaptation: source frames with the low frequencies of target frames."""

import torch
from torch import Tensor

from capsight.adaptation.base import Adaptation
from capsight.adaptation.restyle import check_share, restyle


class Fda(Adaptation):
    """Swap the amplitudes of low frequencies of source frames for those of target frames; the phases stay.

        x' = F⁻¹(M · |F(x_target)| + (1 - M) · |F(x_source)|, ∠F(x_source)),   M = 1 where |u|, |v| ≤ ⌊β min(H, W)⌋

    F is the two-dimensional Fourier transform of each colour channel, u and v its whole-numbered frequencies.
    Yang & Soatto 2020, FDA: Fourier domain adaptation for semantic segmentation (arXiv:2004.05498), equation 3.

    Light and colour of a capsule are low frequencies, the border of a lesion is a high one. β = 0 changes the mean
    colour alone; with a large β what the target frame shows comes along. Black borders stay black.

    beta: β in [0, 0.5). share: of the source frames that are changed in a batch; the paper's is 1. Raises ValueError
    for others.
    """

    needs_target = True

    def __init__(self, *, beta: float = 0.01, share: float = 1.0):
        super().__init__()
        if not 0 <= beta < 0.5:
            raise ValueError(f"beta={beta} is not possible; it is a number from 0 to below 0.5")
        self.beta, self.share = beta, check_share(share)

    def images(self, images: Tensor, target: Tensor, device: Tensor | None = None) -> Tensor:
        return restyle(images, target, self.share, self._swap)

    def _swap(self, frames: Tensor, looks: Tensor) -> Tensor:
        height, width = frames.shape[-2:]
        spectrum, look = torch.fft.rfft2(frames), torch.fft.rfft2(looks)
        down = torch.fft.fftfreq(height, 1 / height, device=frames.device).abs()
        across = torch.fft.rfftfreq(width, 1 / width, device=frames.device)
        low = torch.maximum(down[:, None], across) <= int(self.beta * min(height, width))
        amplitude = torch.where(low, look.abs(), spectrum.abs())
        return torch.fft.irfft2(torch.polar(amplitude, spectrum.angle()), s=(height, width))
