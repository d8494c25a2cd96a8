"""Time as a teacher: frames that are near each other in a video are alike, whatever they show."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from capsight.lecture.drawn_frames import turn
from capsight.lecture.learners import optimisation
from capsight.losses import pairwise_distances, triplet_loss


class TimeLearner(pl.LightningModule):
    """An encoder whose embeddings of neighbouring frames are to be nearer than those of others, by the triplet loss.

    encoder: frames (B, 3, H, W) in [0, 1] → (B, features). The loss sees unit vectors behind two more layers, which
    are thrown away afterwards (Chen et al. 2020, SimCLR, section 4.2). Batches are (frames uint8, classes (B,)). While
    it learns, every frame is turned by itself, since a capsule has no up, and its light is changed by up to the share
    `light`. Logs `val_score`, the share of frames whose nearest one of the batch is a neighbour in time.
    """

    def __init__(
        self, encoder: nn.Module, features: int, *, margin: float, light: float = 0.2, optimiser: dict, seed: int
    ):
        super().__init__()
        self.encoder = encoder
        self.projection = nn.Sequential(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, 64))
        self.margin, self.light, self.optimiser, self.seed = margin, light, optimiser, seed

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] → unit vectors (B, 64)."""
        return F.normalize(self.projection(self.encoder(images)).float(), dim=1)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        # Depends on the step and not on what ran before, so that a resumed run repeats the epoch exactly.
        torch.manual_seed(hash((self.seed, self.current_epoch, index)) % 2**63)
        images, classes = batch
        changed = relit(turned_each(images).float() / 255, self.light)
        loss = triplet_loss(self(changed), classes, margin=self.margin)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(images))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        images, classes = batch
        nearest = pairwise_distances(self(images.float() / 255)).fill_diagonal_(torch.inf).argmin(1)
        found = (classes[nearest] == classes).float().mean()
        self.log("val_score", found, on_epoch=True, batch_size=len(images))

    def configure_optimizers(self) -> dict:
        return optimisation(self, **self.optimiser)


def turned_each(images: Tensor) -> Tensor:
    """Turn and reflect every image (B, C, S, S) in one of the eight ways a square allows."""
    ways, result = torch.randint(8, (len(images),), device=images.device), torch.empty_like(images)
    for way in range(8):
        result[ways == way] = turn(images[ways == way], way)
    return result


def relit(images: Tensor, share: float) -> Tensor:
    """Make images (B, 3, H, W) in [0, 1] brighter or darker by up to `share`, and each colour by half of it."""

    def factors(channels: int, strength: float) -> Tensor:
        return 1 + strength * (2 * torch.rand(len(images), channels, 1, 1, device=images.device) - 1)

    return (images * factors(1, share) * factors(3, share / 2)).clamp(0, 1)
