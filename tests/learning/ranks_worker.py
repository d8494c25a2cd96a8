"""What test_ranks.py lets one process do alone, and two together: the results are to be the same.

python ranks_worker.py RANK FOLDER is one of the two; it leaves FOLDER/RANK.pt, the dict that `work` returns.
"""

import sys
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DistributedSampler

from capsight.data.batches import PatientBalancedBatches
from capsight.errors import UserError
from capsight.inference.predict import predict
from capsight.learning import ranks
from capsight.learning.frame_learner import FrameLearner
from capsight.learning.objective import Objective

WORLD, FINDINGS, FRAMES = 2, ["polyp", "bleeding"], 7
TRIED = {
    "batch_all": {},
    "batch_hard": {"mining": "batch_hard"},
    "semi_hard": {"mining": "semi_hard", "margin": 1.0, "squared": True},
    "triplet": {"objective": "triplet"},
    "ce": {"objective": "ce", "focal_gamma": 2.0},
    "exclusive": {"task": "exclusive"},
}


class Trained(nn.Module):
    """A network with its objective, as DDP wraps it."""

    def __init__(self, **options):
        super().__init__()
        classes = 3 if options.get("task") == "exclusive" else 2
        self.embed, self.classify = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 5)), nn.Linear(5, classes)
        self.objective = Objective(**options)

    def forward(self, images, targets):
        return self.objective(self.classify, self.embed(images), targets)


class Called(nn.Module):
    """What DDP wraps of a learner: Lightning, too, calls `training_step` through the wrapper's forward."""

    def __init__(self, learner: FrameLearner):
        super().__init__()
        self.learner = learner

    def forward(self, batch: dict):
        return self.learner.training_step(batch, 0)


class Learner(FrameLearner):
    """A learner without a trainer, which keeps what it logs."""

    def __init__(self, **options):
        super().__init__(findings=FINDINGS, backbone="resnet10t", **options)
        self.logged = {}

    def log(self, name, value, **_):
        self.logged[name] = float(torch.as_tensor(value).detach())


def together(module: nn.Module) -> nn.Module:
    return DistributedDataParallel(module) if ranks.place()[1] > 1 else module


def draw(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    targets = torch.randint(2, (n, 2), generator=random).float()
    targets[::5, 0] = torch.nan
    return torch.randn(n, 6, generator=random), targets


def gradients(options: dict) -> dict:
    """The loss and the gradients of one batch, of which the first process has 9 frames and the second 4."""
    torch.manual_seed(0)
    network, (images, targets) = Trained(**options), draw(13)
    rank, world = ranks.place()
    mine = slice(None) if world == 1 else (slice(0, 9), slice(9, None))[rank]
    wrapped = together(network)  # kept, because the gradients are averaged for as long as it is there
    loss = wrapped(images[mine], targets[mine])["loss"]
    loss.backward()
    return {"loss": loss.detach(), **{name: weight.grad for name, weight in network.named_parameters()}}


def weights() -> dict:
    """The weights after two epochs of P × K batches."""
    torch.manual_seed(0)
    network, (images, targets), (rank, world) = Trained(), draw(60), ranks.place()
    plan = PatientBalancedBatches(
        np.arange(60) % 3, np.arange(60) // 6, classes_per_batch=3, frames_per_class=5, rank=rank, world=world
    )
    wrapped, optimiser = together(network), torch.optim.SGD(network.parameters(), lr=0.1)
    for epoch in range(2):
        plan.set_epoch(epoch)
        for batch in plan:
            rows = [row for row, _ in batch]
            optimiser.zero_grad()
            wrapped(images[rows], targets[rows])["loss"].backward()
            optimiser.step()
    return {name: weight.detach() for name, weight in network.named_parameters()}


def validation() -> dict:
    """What is logged of seven frames; the second process begins with other running statistics."""
    torch.manual_seed(0)
    learner, (rank, world) = Learner().eval(), ranks.place()
    learner.network.backbone.apply(lambda layer: _shift(layer, rank))
    images = torch.randint(255, (FRAMES, 3, 32, 32), dtype=torch.uint8)
    targets = torch.tensor([[1, 0], [0, 1]] * 3 + [[0, torch.nan]])
    learner.on_validation_epoch_start()
    with torch.no_grad():
        for row in DistributedSampler(range(FRAMES), num_replicas=world, rank=rank, shuffle=False):
            batch = {"row": torch.tensor([row]), "image": images[[row]], "target": targets[[row]], "skipped": []}
            learner.validation_step(batch, 0)
    learner.on_validation_epoch_end()
    return learner.logged


def _shift(layer: nn.Module, rank: int) -> None:
    if hasattr(layer, "running_mean"):
        layer.running_mean += rank


def unreadable() -> dict:
    """A training step in which the second process can read no frame, and two epochs' ends."""
    torch.manual_seed(0)
    learner, rank = Learner(dropout=0.0).train(), ranks.place()[0]
    n = 4 if rank == 0 else 0
    images = torch.randint(255, (4, 3, 32, 32), dtype=torch.uint8)[:n]
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0]] * 2)[:n]
    batch = {"row": torch.arange(n), "image": images, "target": targets, "skipped": [f"{rank}.jpg"]}
    wrapped = together(Called(learner))
    wrapped(batch).backward()
    learner.on_train_epoch_end()
    gradient = {name: weight.grad for name, weight in learner.named_parameters()}
    return {"gradient": gradient, "skipped": sorted(learner.skipped)}


def predictions(folder: Path) -> dict:
    """Seven frames in batches of two."""
    torch.manual_seed(0)
    table = pd.DataFrame({"path": [f"{i}.png" for i in range(FRAMES)], "patient": "p"}, dtype="string")
    table = table.assign(polyp=pd.array([1] * FRAMES, "Int8"), bleeding=pd.array([0] * FRAMES, "Int8"))
    options = {"image_size": 32, "batch_size": 2, "precision": "fp32", "passes": 3, "on_bad_frame": "skip"}
    predicted, embeddings, skipped = predict(Learner(), table, folder, shared=True, **options)
    few, _, _ = predict(Learner(), table.iloc[:1], folder, shared=True, **options)  # fewer batches than processes
    return {
        "table": predicted.to_dict("list"),
        "embeddings": embeddings.tolist(),
        "few": few["path"].tolist(),
        "skipped": [Path(path).name for path in skipped],
    }


def draw_frames(folder: Path) -> None:
    random = np.random.default_rng(0)
    for i in range(FRAMES):
        cv2.imwrite(str(folder / f"{i}.png"), random.integers(60, 255, (32, 32, 3), dtype=np.uint8))
    (folder / "4.png").write_text("no picture")


def messages() -> dict:
    """What each gets from the others, and how a problem of the first one ends them all."""
    rank, world = ranks.place()
    told = {"agreed": ranks.agree(rank), "gathered": ranks.gather(rank), "first": ranks.first(lambda: rank)}
    rows = torch.full((rank + 1, 2), float(rank), requires_grad=True)
    joined = ranks.join_rows(rows)
    (joined * torch.arange(len(joined))[:, None]).sum().backward()
    try:
        ranks.first(_fail)
    except (UserError, SystemExit) as error:
        told["ended"] = type(error).__name__
    return {**told, "rows": joined.detach(), "gradient": rows.grad}


def _fail() -> None:
    raise UserError("the disk is full")


def work(folder: Path) -> dict:
    return {
        "gradients": {name: gradients(options) for name, options in TRIED.items()},
        "weights": weights(),
        "validation": validation(),
        "unreadable": unreadable(),
        "predictions": predictions(folder),
        "messages": messages(),
    }


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder / 'meeting'}"
    patience = timedelta(minutes=3)
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=WORLD, timeout=patience)
    torch.save(work(folder), folder / f"{rank}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
