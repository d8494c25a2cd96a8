"""What every way of adapting is: hooks into training, each of which does nothing unless a method needs it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from capsight.errors import UserError
from capsight.nn import FrameClassifier


@dataclass(frozen=True)
class Step:
    """One training step, as a method sees it.

    embedding: (B, D) and logits: (B, C) of the joined batch. targets: (B, F) with 1, 0 and NaN where unknown; the
    labels of target frames are NaN unless they were given. target: (B,) bool, True for frames of the target capsule.
    task: multilabel (C = F, sigmoid) or exclusive (C = F + 1, softmax). progress: 0 at the first step, 1 at the last.
    classification: the loss of other logits (B, C) of this batch; frames of unknown label take no part in it.
    """

    embedding: Tensor
    logits: Tensor
    targets: Tensor
    target: Tensor
    task: str
    progress: float
    classification: Callable[[Tensor], Tensor]


class Adaptation(nn.Module):
    """A way to carry a model from its source capsules to a target capsule; a method overrides what it needs.

    Every method is built with its settings alone (its file in conf/adaptation/), and its parameters, as of a domain
    classifier, are made in `prepare`.
    """

    needs_target = False  # unlabelled target frames in every training batch
    needs_labels = False  # labelled target frames in every training batch
    # (source, target) frames in a batch of a method that needs labels; None: the labelled target frames are pooled with
    # the source's, and batches are drawn from both as if they were one.
    labelled_frames: tuple[int, int] | None = None
    trains = True  # False: the method does nothing while a network is trained, and works on the finished one

    def prepare(self, network: FrameClassifier, task: str) -> None:
        """Add parameters or hooks before training; the network's own parameters stay as they are.

        Raises ValueError where the method cannot work on this network.
        """

    def images(self, images: Tensor, target: Tensor, device: Tensor | None = None) -> Tensor:
        """Change the frames of a training batch: (B, 3, H, W) float in [0, 1], target (B,) bool.

        device: (B,) a number for the capsule of each frame; without it all sources count as one capsule.
        """
        return images

    def loss(self, step: Step) -> Tensor | None:
        """Return what is added to the loss, a scalar with its weight in it; None for nothing."""
        return None

    def after_training(self, network: FrameClassifier, task: str, frames: Callable[[], Iterable[Tensor]]) -> None:
        """Change the trained network in place; every call of `frames` goes through the target's unlabelled frames
        once, as batches (B, 3, H, W) uint8, in an order that changes from call to call."""

    def at_test_time(self, network: FrameClassifier, task: str) -> FrameClassifier:
        """Return the network that predicts target frames; one that learns from them is a copy."""
        return network


class Combined(Adaptation):
    """Several methods, one after the other; the sum of their losses."""

    def __init__(self, methods: Iterable[Adaptation] = ()):
        super().__init__()
        self.methods = nn.ModuleList(methods)
        self.needs_target = any(method.needs_target for method in self.methods)
        self.needs_labels = any(method.needs_labels for method in self.methods)
        self.trains = any(method.trains for method in self.methods)
        self.afterwards = any(type(method).after_training is not Adaptation.after_training for method in self.methods)
        self.at_test = any(type(method).at_test_time is not Adaptation.at_test_time for method in self.methods)
        shapes = {method.labelled_frames for method in self.methods if method.needs_labels}
        if len(shapes) > 1:
            raise ValueError("methods that draw labelled target frames in different ways cannot be combined")
        self.labelled_frames = next(iter(shapes), None)

    def prepare(self, network: FrameClassifier, task: str) -> None:
        """Prepare each. UserError where a method cannot work on this network."""
        for method in self.methods:
            try:
                method.prepare(network, task)
            except ValueError as error:
                raise UserError(f"adaptation: {error}.") from None

    def images(self, images: Tensor, target: Tensor, device: Tensor | None = None) -> Tensor:
        for method in self.methods:
            images = method.images(images, target, device)
        return images

    def loss(self, step: Step) -> Tensor | None:
        losses = [loss for method in self.methods if (loss := method.loss(step)) is not None]
        return torch.stack(losses).sum() if losses else None

    def after_training(self, network: FrameClassifier, task: str, frames: Callable[[], Iterable[Tensor]]) -> None:
        for method in self.methods:
            method.after_training(network, task, frames)

    def at_test_time(self, network: FrameClassifier, task: str) -> FrameClassifier:
        for method in self.methods:
            network = method.at_test_time(network, task)
        return network
