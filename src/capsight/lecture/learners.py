"""What is trained in more than one lesson."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from scipy.stats import binomtest
from torch import Tensor, nn

from capsight.errors import UserError
from capsight.evaluation.top_k import top_k_error
from capsight.learning.optimiser import build_optimiser, warmup_cosine
from capsight.nn import evaluating


class ClassLearner(pl.LightningModule):
    """A network that tells classes apart, with cross-entropy.

    network: inputs → logits (B, classes). Batches are (inputs, labels), labels (B,) int. optimiser: the arguments of
    `build_optimiser`, and `warmup`. Logs `val_score`, the top-1 accuracy, and where there are six classes or more
    `val_top5_error`.
    """

    def __init__(self, network: nn.Module, *, optimiser: dict | None = None, seed: int = 0):
        super().__init__()
        self.network, self.optimiser, self.seed = network, dict(optimiser or {}), seed

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs)

    def on_train_batch_start(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        # Dropout depends on the step and not on what ran before, so that a resumed run repeats the epoch exactly.
        torch.manual_seed(hash((self.seed, self.current_epoch, index)) % 2**63)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        inputs, labels = batch
        return self.training_loss(self(inputs), labels)

    def training_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        loss = F.cross_entropy(logits.float(), labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(labels))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        inputs, labels = batch
        logits = self(inputs).float()
        scores, truth = logits.cpu().numpy(), labels.cpu().numpy()
        logged = {"val_loss": F.cross_entropy(logits, labels), "val_score": 1 - top_k_error(scores, truth, k=1)}
        if logits.shape[1] >= 6:
            logged["val_top5_error"] = top_k_error(scores, truth, k=5)
        self.log_dict(logged, on_epoch=True, batch_size=len(labels))

    def configure_optimizers(self) -> dict:
        return optimisation(self, **self.optimiser)


@torch.no_grad()
def logits_of(learner: nn.Module, inputs: Tensor, *, batch_size: int = 256) -> Tensor:
    """Return the logits (n, classes) of all `inputs`, computed in evaluation mode."""
    with evaluating(learner):
        return torch.cat([learner(part) for part in inputs.split(batch_size)])


def class_scores(logits: Tensor, labels: Tensor) -> dict:
    """Return the accuracy, and with six classes or more the top-5 error, of logits (n, classes), with intervals.

    The intervals are Wilson's for a share of `n` independent examples: these data have no patients.
    """
    scores = {"n": len(labels), "accuracy": _share(1 - top_k_error(logits.numpy(), labels.numpy(), k=1), len(labels))}
    if logits.shape[1] >= 6:
        scores["top5_error"] = _share(top_k_error(logits.numpy(), labels.numpy(), k=5), len(labels))
    return scores


def _share(value: float, n: int) -> dict[str, float]:
    low, high = binomtest(round(value * n), n).proportion_ci(method="wilson")
    return {"value": value, "low": float(low), "high": float(high)}


def optimisation(learner: pl.LightningModule, *, warmup: float = 0.1, **optimiser) -> dict:
    """Return what `configure_optimizers` returns: the optimiser, and its rate that rises and falls with every step."""
    try:
        built = build_optimiser(learner, **optimiser)
    except (TypeError, ValueError) as error:
        raise UserError(f"optimiser: {error}") from None
    schedule = warmup_cosine(built, steps=max(1, int(learner.trainer.estimated_stepping_batches)), warmup=warmup)
    return {"optimizer": built, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
