"""A training step with its data against the bare model: what reading and augmenting cost on top."""

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import torch
from cases import Case
from torch.utils.data import DataLoader

from capsight.data.batches import PatientBalancedBatches, rarest_finding
from capsight.data.dataset import FrameDataset, collate
from capsight.data.manifest import read_manifest, write_manifest
from capsight.data.phantom import make_phantom
from capsight.data.transforms import training_transform
from capsight.hardware import autocast, device
from capsight.learning.frame_learner import FrameLearner

FINDINGS = ["polyp", "bleeding", "inflammation", "content"]
CLASSES, WORKERS = 4, 2
_folder = None  # goes with the process


def cases(quick: bool) -> Iterator[Case]:
    inputs = {"backbone": "resnet10t", "side": 32, "batch": 8, "steps": 2} if quick else {}
    inputs = {"backbone": "resnet18", "side": 96, "batch": 32, "steps": 12} | inputs
    size = "{backbone}, {side} px, {steps} steps of {batch} frames".format(**inputs)
    inputs["folder"] = str(draw_phantom(8, 48) if quick else draw_phantom(40, 224))
    yield Case(
        "training with its data", size, inputs, {"steps": 1}, ours, {"bare model, frames in memory": bare}, alone=False
    )


@cache
def draw_phantom(frames_per_patient: int, size: int) -> Path:
    """Draw four patients and their manifest; return the folder."""
    global _folder
    _folder = tempfile.TemporaryDirectory(prefix="capsight-benchmarks-")
    settings = {"patients_per_device": 4, "frames_per_patient": frames_per_patient, "size": size}
    table = make_phantom(_folder.name, devices=("phantom_1",), **settings)
    write_manifest(table, Path(_folder.name) / "manifest.csv")
    return Path(_folder.name)


def loader(side: int, batch: int, steps: int, folder: str) -> DataLoader:
    """Return the batches that training would have."""
    table = read_manifest(Path(folder) / "manifest.csv")
    frames = FrameDataset(table, folder, FINDINGS, training_transform(side))
    batches = PatientBalancedBatches(
        rarest_finding(frames.targets.numpy()),
        table["patient"],
        classes_per_batch=CLASSES,
        frames_per_class=batch // CLASSES,
        batches=steps,
    )
    workers = {"num_workers": WORKERS, "persistent_workers": True, "multiprocessing_context": _context()}
    return DataLoader(frames, batch_sampler=batches, collate_fn=collate, **workers)


def _context() -> str:
    """Return how a training of its own would start its workers."""
    return "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"


def stepper(backbone: str, side: int) -> Callable[[dict], None]:
    """Return what takes one step of training, as the trainer does."""
    learner = FrameLearner(findings=FINDINGS, backbone=backbone, image_size=side).to(
        device(), memory_format=torch.channels_last
    )
    learner.train()
    optimiser = torch.optim.AdamW(learner.parameters(), lr=1e-4)

    def step(batch: dict) -> None:
        with autocast("auto"):
            embedding = learner.network.embed(batch["image"].to(device()))
            loss = learner.objective(learner.network.classify, embedding, batch["target"].to(device()))["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def ours(backbone: str, side: int, **data) -> Callable:
    step, batches = stepper(backbone, side), loader(side, **data)
    return lambda: [step(batch) for batch in batches]


def bare(backbone: str, side: int, steps: int, **data) -> Callable:
    step, batch = stepper(backbone, side), next(iter(loader(side, steps=1, **data)))
    return lambda: [step(batch) for _ in range(steps)]
