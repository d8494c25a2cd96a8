"""Training of a lesson's network: batches that can be repeated, and Lightning as the main verb uses it."""

from pathlib import Path

import pytorch_lightning as pl
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from capsight.errors import UserError
from capsight.learning.checkpoints import load_checkpoint
from capsight.learning.training import build_trainer


def batches(dataset: Dataset, *, batch_size: int, seed: int | None = None, collate_fn=None) -> DataLoader:
    """Give `dataset` in batches: in its order, or with a `seed` shuffled, anew in every epoch."""
    if batch_size < 1 or len(dataset) < 1:
        raise UserError(f"batches of {batch_size} from {len(dataset)} examples are not possible; both are 1 or more.")
    # The order depends on the seed and the epoch alone, so that a resumed run sees what an uninterrupted one sees.
    shuffled = None if seed is None else DistributedSampler(dataset, num_replicas=1, rank=0, seed=seed)
    return DataLoader(dataset, batch_size=batch_size, sampler=shuffled, collate_fn=collate_fn)


def fit(
    learner: pl.LightningModule, training: DataLoader, validation: DataLoader, *, out: str | Path, trainer: dict
) -> pl.LightningModule:
    """Train `learner` and return it with the weights of the epoch with the highest `val_score`, in evaluation mode.

    Leaves checkpoints/best.ckpt, checkpoints/last.ckpt and logs/ in `out`, and goes on from last.ckpt where there is
    one. trainer: the section of the config. Raises UserError where no epoch was trained.
    """
    checkpoints = Path(out) / "checkpoints"
    last = checkpoints / "last.ckpt"
    resume_from = last if last.exists() else None
    build_trainer(Path(out), trainer).fit(learner, training, validation, ckpt_path=resume_from, weights_only=True)
    if not (checkpoints / "best.ckpt").exists():
        raise UserError(f"{out}: no epoch was trained, so there is no model; set trainer.max_epochs to 1 or more.")
    learner.load_state_dict(load_checkpoint(checkpoints / "best.ckpt")["state_dict"])
    return learner.cpu().eval()
