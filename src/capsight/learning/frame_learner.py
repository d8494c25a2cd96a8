"""The Lightning module that trains a frame classifier."""

import numpy as np
import pytorch_lightning as pl
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from capsight.adaptation.base import Adaptation, Combined, Step
from capsight.errors import UserError
from capsight.learning import ranks
from capsight.learning.objective import Objective
from capsight.learning.optimiser import build_optimiser, warmup_cosine
from capsight.learning.targets import finding_logits
from capsight.nn import Backbone, EmbeddingHead, FrameClassifier, WeightsError


class FrameLearner(pl.LightningModule):
    """A frame classifier with its objective and optimiser; the arguments are the section `model` of the config.

    adaptation: what carries it to a target capsule while it is trained; batches then say `is_target` and `device`.
    findings: names, in the order of the targets' columns. targets: (N, F) of the training frames, for balanced
    class weights only. UserError for names and weights that cannot be had.
    """

    def __init__(
        self,
        *,
        findings: list[str],
        seed: int = 0,
        image_size: int | None = None,
        targets: Tensor | None = None,
        adaptation: Adaptation | None = None,
        backbone: str = "resnet18",
        pretrained: bool = False,
        weights: str | None = None,
        task: str = "multilabel",
        embedding_dim: int | None = None,
        normalise: bool = False,
        dropout: float = 0.2,
        drop_path: float = 0.0,
        output_stride: int | None = None,
        loss: dict | None = None,
        optimiser: dict | None = None,
    ):
        super().__init__()
        self.findings, self.task, self.seed = list(findings), task, seed
        self.network = _network(
            backbone,
            classes=len(findings) + (task == "exclusive"),
            trunk={
                "pretrained": pretrained and weights is None,
                "weights": weights,
                "image_size": image_size,
                "drop_path": drop_path,
                "output_stride": output_stride,
            },
            head={"dim": embedding_dim, "normalise": normalise, "dropout": dropout},
        )
        self.objective = Objective(task=task, targets=targets, **(loss or {}))
        self.adaptation = adaptation or Combined()
        self.adaptation.prepare(self.network, task)
        optimiser = dict(optimiser or {})
        self.warmup = optimiser.pop("warmup", 0.1)
        self.optimiser = optimiser
        self.skipped: set[str] = set()  # paths of frames that could not be read
        self._read = 0  # training frames in this epoch
        self._validation: list[tuple[Tensor, Tensor, Tensor]] = []

    def forward(self, images: Tensor) -> Tensor:
        """Return one logit per finding (B, F)."""
        return self.logits(self.network.embed(images))

    def logits(self, embedding: Tensor) -> Tensor:
        """Return one logit per finding (B, F) from embeddings (B, D)."""
        return finding_logits(self.network.classify(embedding), self.task)

    def on_train_epoch_start(self) -> None:
        self._read = 0

    def on_train_epoch_end(self) -> None:
        self.skipped = set().union(*ranks.gather(self.skipped))
        if sum(ranks.gather(self._read)) == 0:
            raise UserError("no training frame can be read; check data.root and the frames.")

    def on_train_batch_start(self, batch: dict, index: int) -> None:
        # Dropout depends on the step and not on what ran before, so that a resumed run repeats the epoch exactly. By
        # epoch it would not do: Lightning draws from the same generator after the start of an epoch, but not always.
        torch.manual_seed(hash((self.seed, self.current_epoch, index, self.global_rank)) % 2**63)

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        checkpoint["skipped"] = sorted(self.skipped)

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        self.skipped.update(checkpoint["skipped"])

    def training_step(self, batch: dict, _: int) -> Tensor | None:
        self.skipped.update(batch["skipped"])
        self._read += len(batch["row"])
        if len(batch["row"]) == 0:  # every frame of the batch was unreadable and is skipped
            if ranks.place()[1] == 1:
                return None
            batch = _nothing_known(batch)
        images, is_target = batch["image"], batch.get("is_target")
        if self.adaptation.trains:
            images = self.adaptation.images(images.float() / 255, is_target, batch.get("device"))
        embedding = self.network.embed(images)
        losses = self.objective(self.network.classify, embedding, batch["target"])
        if self.adaptation.trains:
            losses |= self._adapting(embedding, batch["target"], is_target)
            losses["loss"] = losses["loss"] + losses.get("adaptation", 0.0)
        for name, value in losses.items():
            self.log(f"train_{name}", value, on_step=False, on_epoch=True, batch_size=len(batch["target"]))
        return losses["loss"]

    def _adapting(self, embedding: Tensor, targets: Tensor, is_target: Tensor) -> dict[str, Tensor]:
        """Return what the method adds to the loss, {} for nothing."""
        step = Step(
            embedding=embedding,
            logits=self.network.classify(embedding),
            targets=targets,
            target=is_target,
            task=self.task,
            progress=self.global_step / max(1, int(self.trainer.estimated_stepping_batches)),
            classification=lambda logits: self.objective.classification(logits, targets),
        )
        loss = self.adaptation.loss(step)
        return {} if loss is None else {"adaptation": loss}

    def on_validation_epoch_start(self) -> None:
        ranks.same_buffers(self.network)

    def validation_step(self, batch: dict, _: int) -> None:
        self.skipped.update(batch["skipped"])
        if len(batch["row"]):
            self._validation.append((batch["row"].cpu(), self(batch["image"]).float().cpu(), batch["target"].cpu()))

    def on_validation_epoch_end(self) -> None:
        batches = [batch for of_one in ranks.gather(self._validation) for batch in of_one]
        self._validation.clear()
        if not batches:
            raise UserError("no validation frame can be read, so no epoch can be chosen; see the paths skipped.")
        rows, logits, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
        once = np.unique(rows.numpy(), return_index=True)[1]  # in the order of the manifest, without what was padded
        logits, targets = logits[once], targets[once]
        aurocs = _aurocs(logits, targets)
        for name, auroc in zip(self.findings, aurocs, strict=True):
            if auroc is not None:
                self.log(f"val_auroc_{name}", auroc)
        known = [auroc for auroc in aurocs if auroc is not None]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[~targets.isnan()], targets[~targets.isnan()])
        self.log("val_loss", loss)
        # The epoch that is kept is the one with the highest score; without both classes only the loss can tell.
        self.log("val_score", sum(known) / len(known) if known else -loss, prog_bar=True)

    def configure_optimizers(self) -> dict:
        try:
            optimiser = build_optimiser(self, **self.optimiser)  # a method may have weights too
        except (TypeError, ValueError) as error:
            raise UserError(f"model.optimiser: {error}") from None
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        schedule = warmup_cosine(optimiser, steps=steps, warmup=self.warmup)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _nothing_known(batch: dict) -> dict:
    """Return a batch that nothing is learned from: the other processes wait for this one's part of the gradients."""
    blank = {name: values.new_zeros(2, *values.shape[1:]) for name, values in batch.items() if name != "skipped"}
    return {**batch, **blank, "target": torch.full_like(blank["target"], torch.nan)}


def _network(name: str, *, classes: int, trunk: dict, head: dict) -> FrameClassifier:
    try:
        backbone = Backbone(name, **trunk)
    except ValueError as error:
        raise UserError(f"model.backbone: {error}.") from None
    except WeightsError as error:
        raise UserError(
            f"{error}. Give a local file with model.weights=FILE, or go on from random weights with "
            "model.pretrained=false."
        ) from None
    return FrameClassifier(backbone, EmbeddingHead(backbone.width, classes, **head))


def _aurocs(logits: Tensor, targets: Tensor) -> list[float | None]:
    """AUROC of each finding over the frames where it is known; None where there is one class only."""
    values = []
    for scores, truth in zip(logits.T, targets.T, strict=True):
        known = ~truth.isnan()
        both = known.any() and 0 < truth[known].mean() < 1 and scores[known].isfinite().all()
        values.append(float(roc_auc_score(truth[known], scores[known])) if both else None)
    return values
