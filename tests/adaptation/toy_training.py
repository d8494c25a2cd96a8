"""Tiny networks, trained and adapted on the toy problems as the project does it with real frames."""

import copy
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
import toy_frames
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from toy_frames import FINDINGS, Frames, Problem, hide

from capsight.adaptation.base import Adaptation, Combined, Step
from capsight.learning.objective import Objective
from capsight.learning.optimiser import warmup_cosine
from capsight.learning.targets import finding_logits
from capsight.nn import Backbone, EmbeddingHead, FrameClassifier

SOURCE_FRAMES, TARGET_FRAMES = 48, 32  # of a batch
SEEDS = (0, 1, 2)
LABELLED = 10  # frames of each class, where a method needs labels


class TinyTrunk(nn.Module):
    """Three blocks of convolution and BatchNorm, named as timm's."""

    def __init__(self, width: int = 32):
        super().__init__()
        self.num_features = width
        self.pixels = nn.Identity()  # a layer whose maps are the colours
        self.stem = _block(3, 8, stride=1)
        self.layer1 = _block(8, 16, stride=2)
        self.layer2 = _block(16, width, stride=2)

    def forward_features(self, images: Tensor) -> Tensor:
        return self.layer2(self.layer1(self.stem(self.pixels(images))))


class TinyBackbone(Backbone):
    """The project's backbone around the tiny trunk."""

    def __init__(self):
        nn.Module.__init__(self)
        self.trunk, self.drops = TinyTrunk(), False
        self.width = self.trunk.num_features
        self.register_buffer("mean", torch.full((3, 1, 1), 0.5), persistent=False)
        self.register_buffer("std", torch.full((3, 1, 1), 0.25), persistent=False)


class PlainBackbone(nn.Module):
    """One linear layer on the numbers of a frame of 2 × 2 pixels: a backbone without batch normalisation."""

    def __init__(self, width: int = 16):
        super().__init__()
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(12, width))
        self.width = width

    def forward(self, images: Tensor) -> Tensor:
        return self.trunk(4 * (images - 0.5))


def tiny_network(task: str = "multilabel", dropout: float = 0.1) -> FrameClassifier:
    return _with_head(TinyBackbone(), task, dropout)


def plain_network(task: str = "multilabel", dropout: float = 0.1) -> FrameClassifier:
    return _with_head(PlainBackbone(), task, dropout)


class Toy(NamedTuple):
    """A problem, and how a network is trained on it."""

    problem: Callable[[int], Problem]
    network: Callable[[], FrameClassifier]
    lr: float
    steps: int


TINTED = Toy(toy_frames.tinted, tiny_network, lr=1e-2, steps=100)
TWO_CUES = Toy(toy_frames.two_cues, plain_network, lr=2e-2, steps=150)


class Scores(NamedTuple):
    """Mean over the findings, on frames that no training saw."""

    auroc: float
    accuracy: float  # balanced, at a probability of 0.5

    def __sub__(self, other: "Scores") -> "Scores":
        return Scores(self.auroc - other.auroc, self.accuracy - other.accuracy)


class Idle(Adaptation):
    """Target frames in every batch, and nothing done with them; a network with BatchNorm profits even from that."""

    needs_target = True


def lift(toy: Toy, *methods: Adaptation) -> Scores:
    """Return by how much the methods raise the scores on the target, on average over the seeds.

    They are compared with the better of two: a network that is trained with the source alone, and, for methods that get
    the target's frames, one that has them in its batches, too.
    """
    lifts = []
    for seed in SEEDS:
        test = toy.problem(seed).test
        without = score(source_trained(toy, seed), test)
        if Combined(methods).needs_target:
            idle = score(trained_idly(toy, seed), test)
            without = Scores(*map(max, without, idle))
        lifts.append(score(adapted(toy, seed, *copy.deepcopy(methods)), test) - without)
    return mean(lifts)


def mean(scores: list[Scores]) -> Scores:
    return Scores(*(sum(column) / len(column) for column in zip(*scores, strict=True)))


def adapted(toy: Toy, seed: int, *methods: Adaptation) -> FrameClassifier:
    """Train, adapt by `methods`, and return the network that predicts the target's frames."""
    adaptation, adapt = Combined(methods), toy.problem(seed).adapt.images
    network = trained(toy, seed, adaptation) if adaptation.trains else copy.deepcopy(source_trained(toy, seed))
    torch.manual_seed(seed)
    adaptation.after_training(network, "multilabel", lambda: adapt[torch.randperm(len(adapt))].split(50))
    return adaptation.at_test_time(network, "multilabel")


@cache
def source_trained(toy: Toy, seed: int) -> FrameClassifier:
    """Return a network that is trained with the source's frames alone; to be copied before it is changed."""
    return trained(toy, seed, Combined())


@cache
def trained_idly(toy: Toy, seed: int) -> FrameClassifier:
    return trained(toy, seed, Combined([Idle()]))


def trained(toy: Toy, seed: int, adaptation: Combined) -> FrameClassifier:
    """Train with the source's frames and what the methods need of the target's."""
    torch.manual_seed(seed)
    network, problem = toy.network(), toy.problem(seed)
    adaptation.prepare(network, "multilabel")
    adapt = hide(problem.adapt, LABELLED if adaptation.needs_labels else 0)
    random = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW([*network.parameters(), *adaptation.parameters()], lr=toy.lr)
    schedule = warmup_cosine(optimiser, steps=toy.steps, warmup=0.1)
    network.train()
    for step in range(toy.steps):
        batch = draw_batch(problem.source, adapt, adaptation, random)
        optimiser.zero_grad()
        loss(network, adaptation, batch, progress=step / (toy.steps - 1)).backward()
        optimiser.step()
        schedule.step()
    return network.eval()


class Batch(NamedTuple):
    images: Tensor  # (B, 3, H, W) uint8
    targets: Tensor  # (B, F) 1, 0 and NaN
    is_target: Tensor  # (B,) bool


def loss(
    network: FrameClassifier, adaptation: Combined, batch: Batch, *, task: str = "multilabel", progress: float = 0.5
) -> Tensor:
    """Return what a step of training minimises, as the learner does it."""
    objective, targets = Objective(task=task), batch.targets
    images = adaptation.images(batch.images.float() / 255, batch.is_target)
    embedding = network.embed(images)
    step = Step(
        embedding=embedding,
        logits=network.classify(embedding),
        targets=targets,
        target=batch.is_target,
        task=task,
        progress=progress,
        classification=lambda logits: objective.classification(logits, targets),
    )
    own, added = objective(network.classify, embedding, targets)["loss"], adaptation.loss(step)
    return own if added is None else own + added


def draw_batch(source: Frames, adapt: Frames, adaptation: Combined, random: torch.Generator) -> Batch:
    """Draw frames of the source, then labelled and unlabelled ones of the target as the methods need them."""

    def draw(frames: Frames, rows: Tensor, n: int) -> Frames:
        rows = rows[torch.randint(len(rows), (n,), generator=random)]
        return Frames(frames.images[rows], frames.targets[rows])

    known = torch.nonzero(~adapt.targets.isnan().any(dim=1)).ravel()
    n_source, n_labelled = SOURCE_FRAMES, 0
    if adaptation.needs_labels:
        n_labelled = round(SOURCE_FRAMES * len(known) / (len(source.images) + len(known)))  # pooled
        n_source, n_labelled = adaptation.labelled_frames or (SOURCE_FRAMES - n_labelled, n_labelled)
    parts = [draw(source, torch.arange(len(source.images)), n_source)]
    if n_labelled:
        parts.append(draw(adapt, known, n_labelled))
    if adaptation.needs_target:
        unlabelled = draw(adapt, torch.arange(len(adapt.images)), TARGET_FRAMES)
        parts.append(Frames(unlabelled.images, torch.full_like(unlabelled.targets, torch.nan)))
    images, targets = (torch.cat(column) for column in zip(*parts, strict=True))
    return Batch(images, targets, torch.arange(len(images)) >= n_source)


@torch.no_grad()
def score(network: FrameClassifier, frames: Frames) -> Scores:
    logits = torch.cat([network(images) for images in frames.images.split(50)])
    logits, truth = finding_logits(logits, "multilabel"), frames.targets == 1
    right = (logits > 0) == truth
    accuracy = [right[:, f][truth[:, f] == side].float().mean() for f in range(FINDINGS) for side in (True, False)]
    return Scores(float(roc_auc_score(truth, logits, average="macro")), float(torch.stack(accuracy).mean()))


def _with_head(backbone: nn.Module, task: str, dropout: float) -> FrameClassifier:
    return FrameClassifier(backbone, EmbeddingHead(backbone.width, FINDINGS + (task == "exclusive"), dropout=dropout))


def _block(inputs: int, outputs: int, *, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())
