"""Training of autoencoders: the input is its own label."""

from pathlib import Path

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from capsight.lecture.fitting import batches, fit
from capsight.lecture.learners import optimisation


class ReconstructionLearner(pl.LightningModule):
    """An autoencoder with the squared error, or the cross-entropy where its reconstructions are logits of [0, 1].

    Batches are (inputs,). sparsity: weight of the network's own `penalty`. optimiser: the arguments of `optimisation`.
    Logs `val_score`, the negative loss.
    """

    def __init__(
        self, network: nn.Module, *, logits: bool = False, sparsity: float = 0.0, optimiser: dict, seed: int = 0
    ):
        super().__init__()
        self.network, self.optimiser, self.seed = network, optimiser, seed
        self.distance = F.binary_cross_entropy_with_logits if logits else F.mse_loss
        self.sparsity = sparsity

    def on_train_batch_start(self, batch: tuple[Tensor], index: int) -> None:
        # Noise depends on the step and not on what ran before, so that a resumed run repeats the epoch exactly.
        torch.manual_seed(hash((self.seed, self.current_epoch, index)) % 2**63)

    def training_step(self, batch: tuple[Tensor], _: int) -> Tensor:
        loss = self._loss(batch[0])
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[Tensor], _: int) -> None:
        self.log("val_score", -self._loss(batch[0]), on_epoch=True)

    def _loss(self, inputs: Tensor) -> Tensor:
        loss = self.distance(self.network(inputs).float(), inputs)
        return loss + self.sparsity * self.network.penalty(self.network.encode(inputs)) if self.sparsity else loss

    def configure_optimizers(self) -> dict:
        return optimisation(self, **self.optimiser)


def fit_reconstruction(
    network: nn.Module,
    training: Tensor,
    validation: Tensor,
    *,
    out: Path,
    trainer: dict,
    batch_size: int,
    optimiser: dict,
    seed: int,
    **learner,
) -> nn.Module:
    """Train `network` on inputs (N, …) and return it in evaluation mode; `learner`: its further arguments."""
    model = ReconstructionLearner(network, optimiser=optimiser, seed=seed, **learner)
    loaders = (
        batches(TensorDataset(training), batch_size=batch_size, seed=seed),
        batches(TensorDataset(validation), batch_size=1024),
    )
    return fit(model, *loaders, out=out, trainer=trainer).network
