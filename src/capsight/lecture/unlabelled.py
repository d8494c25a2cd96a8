"""Encoders of frames that are trained without a label: as a denoising autoencoder, and by time-coherence."""

from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from capsight.lecture.fitting import batches, fit
from capsight.lecture.reconstruction import ReconstructionLearner
from capsight.lecture.time_batches import time_loader
from capsight.lecture.time_coherence import TimeLearner
from capsight.nn.autoencoders import ConvAutoencoder
from capsight.nn.captioner import FrameEncoder

Sides = dict[str, tuple[Tensor, pd.DataFrame]]  # "train", "val" → frames uint8 (n, 3, S, S) and their rows


class DenoisingFrames(nn.Module):
    """A `FrameEncoder` up to its maps, and the way back to the frame: (B, 3, S, S) in [0, 1] → the same.

    In training Gaussian noise of standard deviation `noise` is added. S must be a multiple of 16.
    """

    def __init__(self, encoder: FrameEncoder, features: int, *, noise: float):
        super().__init__()
        *layers, _ = encoder
        self.maps, self.noise = nn.Sequential(*layers), noise
        self.decoder = ConvAutoencoder((3, features // 8, features // 4, features // 2, features // 2)).decoder

    def forward(self, images: Tensor) -> Tensor:
        spoilt = images + self.noise * torch.randn_like(images) if self.training else images
        return self.decoder(self.maps(spoilt))


def denoising_encoder(
    sides: Sides, features: int, *, noise: float, batch_size: int, optimiser: dict, seed: int, out: Path, trainer: dict
) -> FrameEncoder:
    """Train an encoder so that clean frames can be had back from its maps of noisy ones."""
    torch.manual_seed(seed)
    encoder = FrameEncoder(features)
    learner = ReconstructionLearner(DenoisingFrames(encoder, features, noise=noise), optimiser=optimiser, seed=seed)
    loaders = (
        batches(
            TensorDataset(sides[side][0]),
            batch_size=batch_size,
            seed=seed if side == "train" else None,
            collate_fn=_as_floats,
        )
        for side in ("train", "val")
    )
    fit(learner, *loaders, out=out, trainer=trainer)
    return encoder


def _as_floats(items: list[tuple[Tensor]]) -> list[Tensor]:
    return [torch.stack([image for (image,) in items]).float() / 255]


def time_encoder(
    sides: Sides,
    features: int,
    *,
    reach: int,
    gap: int,
    margin: float,
    optimiser: dict,
    seed: int,
    out: Path,
    trainer: dict,
) -> FrameEncoder:
    """Train an encoder so that frames near each other in time have similar embeddings."""
    torch.manual_seed(seed)
    encoder = FrameEncoder(features)
    learner = TimeLearner(encoder, features, margin=margin, optimiser=optimiser, seed=seed)
    blocks = {"reach": reach, "gap": gap, "seed": seed}
    fit(
        learner,
        time_loader(*sides["train"], **blocks),
        time_loader(*sides["val"], steady=True, **blocks),
        out=out,
        trainer=trainer,
    )
    return encoder
