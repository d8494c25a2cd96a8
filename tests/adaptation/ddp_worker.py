"""One of two processes of test_ddp.py: a few steps of the learner with each method, as Lightning's DDP takes them.

python ddp_worker.py RANK FOLDER leaves FOLDER/RANK.pt: {(method, task): {"losses", "before", "after"}}, where the last
two are the parameters {name: tensor}.
"""

import sys
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from toy_training import tiny_network

from capsight.adaptation.methods import METHODS, build_adaptation
from capsight.learning import frame_learner
from capsight.learning.frame_learner import FrameLearner

WORLD, STEPS, TASKS = 2, 3, ("multilabel", "exclusive")
TRIED = {name: (name,) for name in METHODS} | {"together": ("colour_transfer", "mixstyle", "dann", "few_shot")}


class Steps:
    """What a learner asks its trainer for."""

    estimated_stepping_batches, global_step, current_epoch, global_rank = 3, 1, 0, 0


class Learner(FrameLearner):
    trainer = Steps()

    def log(self, *_, **__):
        pass


class TrainingStep(nn.Module):
    """What DDP wraps: Lightning, too, calls `training_step` through the wrapper's forward."""

    def __init__(self, learner: FrameLearner):
        super().__init__()
        self.learner = learner

    def forward(self, batch: dict, index: int):
        return self.learner.training_step(batch, index)


def draw_batch(rank: int, step: int) -> dict:
    """Eight frames of the source and four of the target; at one step a process sees one capsule or no label at all."""
    random = torch.Generator().manual_seed(10 * step + rank)
    images = torch.randint(1, 256, (12, 3, 16, 16), dtype=torch.uint8, generator=random)
    targets = torch.randint(2, (12, 2), generator=random).float()
    is_target = torch.arange(12) >= 8
    targets[10:] = torch.nan
    if (rank, step) == (1, 1):
        is_target[:] = False
    elif (rank, step) == (0, 2):
        targets[:] = torch.nan
    return {
        "image": images,
        "target": targets,
        "row": torch.arange(12),
        "skipped": [],
        "is_target": is_target,
        "device": torch.where(is_target, 2, torch.arange(12) % 2),
    }


def train(names: tuple[str, ...], task: str, rank: int) -> dict:
    torch.manual_seed(rank)  # begins with other weights than the other process: DDP makes them the same
    adaptation = build_adaptation({name: {} for name in names})
    learner = Learner(findings=["polyp", "bleeding"], adaptation=adaptation, task=task).train()
    wrapped = DistributedDataParallel(TrainingStep(learner))  # with Lightning's settings, which are torch's
    before = weights(learner)
    optimiser, losses = learner.configure_optimizers()["optimizer"], []
    for step in range(STEPS):
        loss = wrapped(draw_batch(rank, step), step)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
    return {"losses": torch.stack(losses), "before": before, "after": weights(learner)}


def weights(learner: nn.Module) -> dict:
    return {name: weight.detach().clone() for name, weight in learner.named_parameters()}


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    frame_learner._network = lambda *_, classes, **__: tiny_network("exclusive" if classes == 3 else "multilabel")
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder / 'meeting'}",
        rank=rank,
        world_size=WORLD,
        timeout=timedelta(minutes=3),
    )
    results = {(name, task): train(names, task, rank) for name, names in TRIED.items() for task in TASKS}
    torch.save(results, folder / f"{rank}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
