"""The multilayer perceptron: how many weights it has, and what it can do with 64 pixels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from capsight.lecture.digits import digits
from capsight.lecture.drawing import panels, save, show_images
from capsight.lecture.fitting import batches, fit
from capsight.lecture.learners import ClassLearner, class_scores, logits_of
from capsight.nn.mlp import MLP
from capsight.nn.summary import summary

COUNTED = {"8-9-9-9-4": (8, 9, 9, 9, 4), "256x256x3-256-1": (256 * 256 * 3, 256, 1)}


def mlp(
    out: Path, *, seed: int, trainer: dict, hidden: Sequence[int] = (32,), lr: float = 1e-2, batch_size: int = 32
) -> dict:
    """Count the weights of the lecture's networks, and train one with layers of `hidden` units on 8 × 8 digits."""
    data = digits(seed=seed)
    torch.manual_seed(seed)
    network = MLP((64, *hidden, 10))
    learner = ClassLearner(network, optimiser={"lr": lr}, seed=seed)
    training = batches(data.training, batch_size=batch_size, seed=seed)
    learner = fit(learner, training, batches(data.validation, batch_size=batch_size), out=out, trainer=trainer)

    images, labels = data.test.tensors
    weights = network[1].weight.detach().numpy().reshape(-1, 8, 8)[:16]
    figure, axes = panels(len(weights), height=1.6, lines=2)
    show_images(axes, 0.5 + weights / (2 * np.abs(weights).max()), [f"unit {unit + 1}" for unit in range(len(weights))])
    figure.suptitle("What the first units look for: bright pixels speak for it, dark ones against it", fontsize=10)
    save(figure, out / "mlp.png")
    return {
        "weights_without_biases": {name: _weights(sizes) for name, sizes in COUNTED.items()},
        "parameters_on_digits": summary(network, (64,)).parameters,
        "test": class_scores(logits_of(learner, images), labels),
    }


def _weights(sizes: Sequence[int]) -> int:
    return summary(MLP(sizes, bias=False), sizes[:1]).parameters
