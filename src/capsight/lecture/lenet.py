"""LeNet-5 reads digits."""

from pathlib import Path

import torch

from capsight.lecture.digits import digits
from capsight.lecture.drawing import panels, save, show_images
from capsight.lecture.fitting import batches, fit
from capsight.lecture.learners import ClassLearner, class_scores, logits_of
from capsight.nn.lenet import LeNet5
from capsight.nn.summary import summary

SHOWN = 7


def lenet(out: Path, *, seed: int, trainer: dict, lr: float = 2e-3, batch_size: int = 32) -> dict:
    """Train LeNet-5 on digits of 32 × 32 pixels; draw the maps of its first layers and the digits that it misreads."""
    data = digits(32, seed=seed)
    torch.manual_seed(seed)
    network = LeNet5()
    learner = ClassLearner(network, optimiser={"lr": lr}, seed=seed)
    training = batches(data.training, batch_size=batch_size, seed=seed)
    learner = fit(learner, training, batches(data.validation, batch_size=batch_size), out=out, trainer=trainer)

    images, labels = data.test.tensors
    logits = logits_of(learner, images)
    save(_picture(network, images, labels, logits.argmax(dim=1)), out / "lenet.png")
    told = summary(network, (1, 32, 32))
    return {
        "parameters": told.parameters,
        "multiply_adds": told.multiply_adds,
        "test": class_scores(logits, labels),
        "misread": int((logits.argmax(dim=1) != labels).sum()),
    }


def _picture(network: LeNet5, images: torch.Tensor, labels: torch.Tensor, read: torch.Tensor):
    """Above: a digit and the maps of C1; in the middle: maps of C3; below: digits that were misread."""
    with torch.no_grad():
        first = network.c1(images[:1])
        second = network.c3(network.s2(first))[0]
    first = first[0]
    wrong = (read != labels).nonzero().ravel()[:SHOWN]
    figure, axes = panels(3 * SHOWN, height=1.75, lines=3)
    show_images(axes[:SHOWN], [images[0, 0], *(first + 1) / 2], ["a digit", *(f"C1, map {i + 1}" for i in range(6))])
    show_images(axes[SHOWN : 2 * SHOWN], (second[:SHOWN] + 1) / 2, [f"C3, map {i + 1}" for i in range(SHOWN)])
    titles = [f"{int(labels[i])}, read as {int(read[i])}" for i in wrong]
    show_images(axes[2 * SHOWN :][: len(wrong)], images[wrong, 0], titles)
    for spare in axes[2 * SHOWN + len(wrong) :]:
        spare.set_visible(False)
    return figure
