"""The Lightning data module: P×K batches for training, plain order for validation."""

from functools import partial

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler

from capsight.adaptation.base import Adaptation
from capsight.data.batches import JoinedBatches, PatientBalancedBatches, rarest_finding
from capsight.data.cache import FrameCache
from capsight.data.dataset import FrameDataset, collate
from capsight.data.transforms import evaluation_transform, training_transform
from capsight.errors import UserError
from capsight.learning.ranks import place
from capsight.learning.targets import UNKNOWN

OTHER = 2**32  # parts of a batch draw from streams of random numbers that seeds do not reach


class FrameData(pl.LightningDataModule):
    """Frames of the splits `train` and `val` as batches, joined by those of `adapt` where a method needs them.

    table: the manifest with `split`. classes_per_batch × frames_per_class is the size of a training batch;
    target_frames unlabelled ones are added for methods that learn from them. A training batch says with `is_target`
    (B,) which of its frames are the target's, and with `device` (B,) a number for the capsule of each. Several
    processes share every training batch and the validation frames, so that their number changes no setting.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        *,
        root: str,
        findings: list[str],
        image_size: int,
        classes_per_batch: int,
        frames_per_class: int,
        batches_per_epoch: int | None,
        target_frames: int = 0,
        adaptation: Adaptation | None = None,
        augmentation: float,
        workers: int,
        on_bad_frame: str,
        cache: FrameCache | None = None,
        seed: int,
    ):
        super().__init__()
        if frames_per_class < place()[1]:
            raise UserError(
                f"data.batch.frames_per_class={frames_per_class} cannot be shared by {place()[1]} devices; give at "
                "least as many, or fewer devices."
            )
        self.adaptation = adaptation or Adaptation()
        learned_from = ["train"] + ["adapt"] * (self.adaptation.needs_target or self.adaptation.needs_labels)
        training = table[table["split"].isin(learned_from)].reset_index(drop=True)
        validation = table[table["split"] == "val"].reset_index(drop=True)
        frames = partial(FrameDataset, root=root, findings=findings, on_bad_frame=on_bad_frame, cache=cache)
        self.training_frames = frames(training, transform=training_transform(image_size, strength=augmentation))
        self.validation_frames = frames(validation, transform=evaluation_transform(image_size))
        self.patients, self.workers, self.seed = training["patient"], workers, seed
        self.batch_shape, self.batches_per_epoch = (classes_per_batch, frames_per_class), batches_per_epoch
        self.target_frames = target_frames
        self.is_target = torch.tensor((training["split"] == "adapt").tolist(), dtype=torch.bool)
        self.device = torch.from_numpy(pd.factorize(training["device"].fillna(""), sort=True)[0])

    def targets(self) -> Tensor:
        """Return what is known of the training frames: (N, F) with NaN for unknown."""
        return self.training_frames.targets

    def train_dataloader(self) -> DataLoader:
        batches = self.batches(self.trainer.global_rank, self.trainer.world_size)
        return self._loader(self.training_frames, batch_sampler=batches)

    def on_before_batch_transfer(self, batch: dict, dataloader_idx: int) -> dict:
        if not self.trainer.training:
            return batch
        return batch | {"is_target": self.is_target[batch["row"]], "device": self.device[batch["row"]]}

    def batches(self, rank: int = 0, world: int = 1) -> PatientBalancedBatches | JoinedBatches:
        """Return the training batches, or the share that one of `world` processes has of each."""
        method, is_target, whose = self.adaptation, self.is_target.numpy(), {"rank": rank, "world": world}
        classes = rarest_finding(self.targets().numpy())
        classes_per_batch, frames_per_class = self.batch_shape
        pooled = method.needs_labels and method.labelled_frames is None
        joined = method.needs_target or (method.needs_labels and not pooled)
        drawn = partial(PatientBalancedBatches, patients=self.patients)
        source_classes = classes if pooled else np.where(is_target, UNKNOWN, classes)
        keep = [None]
        if method.needs_labels and not pooled:
            keep = list(method.labelled_frames)
            frames_per_class = -(-keep[0] // min(classes_per_batch, _count(source_classes)))
        source = drawn(
            source_classes,
            classes_per_batch=classes_per_batch,
            frames_per_class=frames_per_class,
            batches=self.batches_per_epoch,
            seed=self.seed,
            **({} if joined else whose),  # else the joined batch is shared
        )
        parts, every_step = [source], {"batches": len(source)}
        if method.needs_labels and not pooled:
            labelled = np.where(is_target, classes, UNKNOWN)
            shape = {"classes_per_batch": _count(labelled), "frames_per_class": -(-keep[1] // _count(labelled))}
            parts.append(drawn(labelled, **shape, **every_step, seed=self.seed + OTHER))
        if method.needs_target:
            shape = {"classes_per_batch": 1, "frames_per_class": self.target_frames}
            parts.append(drawn(np.where(is_target, 0, UNKNOWN), **shape, **every_step, seed=self.seed + 2 * OTHER))
            keep.append(None)
        return JoinedBatches(parts, keep, seed=self.seed, **whose) if joined else source

    def val_dataloader(self) -> DataLoader:
        # Padded to the same number in each process, as Lightning leaves out a validation without frames; the learner
        # takes each frame once.
        whose = {"num_replicas": self.trainer.world_size, "rank": self.trainer.global_rank}
        mine = DistributedSampler(self.validation_frames, shuffle=False, **whose)
        batch_size = 2 * self.batch_shape[0] * self.batch_shape[1]
        return self._loader(self.validation_frames, batch_size=batch_size, sampler=mine)

    def _loader(self, dataset: FrameDataset, **order) -> DataLoader:
        return DataLoader(
            dataset,
            collate_fn=collate,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=torch.cuda.is_available(),
            **order,
        )


def _count(classes: np.ndarray) -> int:
    return len(np.unique(classes[classes != UNKNOWN]))
