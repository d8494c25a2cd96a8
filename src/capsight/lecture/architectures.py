"""The great convolutional networks in one table, and any one of them trained in a small form."""

from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import torch
from torch import nn

from capsight.errors import UserError
from capsight.files import atomic
from capsight.lecture.digits import digits
from capsight.lecture.drawing import panels, save, styled
from capsight.lecture.fitting import batches, fit
from capsight.lecture.learners import ClassLearner, class_scores, logits_of
from capsight.nn.alexnet import AlexNet
from capsight.nn.densenet import DenseNet121
from capsight.nn.inception import GoogLeNet
from capsight.nn.resnet import PlainNet34, ResNet34
from capsight.nn.summary import Summary, neurons, summary
from capsight.nn.vgg import VGG16, VGG19
from capsight.report.plots import INK, OKABE_ITO

# The network, its small form for images of `size` pixels, and what its paper says.
Small = Callable[[int], nn.Module]
NETWORKS: dict[str, tuple[type[nn.Module], Small, str]] = {
    "alexnet": (AlexNet, lambda size: AlexNet(classes=10, image_size=size), "60 million parameters, 650,000 neurons"),
    "vgg16": (VGG16, lambda size: VGG16(classes=10, image_size=size, normalise=True), "138 million parameters"),
    "vgg19": (VGG19, lambda size: VGG19(classes=10, image_size=size, normalise=True), "144 million parameters"),
    "googlenet": (GoogLeNet, lambda _: GoogLeNet(classes=10, normalise=True), "1.5 billion multiply-adds"),
    "plain34": (PlainNet34, lambda _: PlainNet34(classes=10), "3.6 billion multiply-adds"),
    "resnet34": (ResNet34, lambda _: ResNet34(classes=10), "3.6 billion multiply-adds"),
    "densenet121": (DenseNet121, lambda _: DenseNet121(classes=10), "8 million parameters"),
}


def architectures(
    out: Path,
    *,
    seed: int,
    trainer: dict,
    train: str | None = None,
    image_size: int = 64,
    images: int = 1100,
    lr: float = 1e-3,
    batch_size: int = 32,
) -> dict:
    """Count what each network is made of; with `train`, a name of `NETWORKS`, also train that one on digits.

    image_size: of the digits, in pixels. images: digits per part of the data, at most. Leaves NAME.txt with the layers
    of each network.
    """
    if train not in (None, *NETWORKS):
        raise UserError(f"lesson.train={train} is not known; choose {', '.join(NETWORKS)}, or leave it out.")
    counted, numbers = {}, {}
    for name, (network_class, _, published) in NETWORKS.items():
        shape = (3, 227, 227) if name == "alexnet" else (3, 224, 224)
        with torch.device("meta"):  # nothing is stored or computed
            network = network_class()
            told = counted[name] = summary(network, shape)
            numbers[name] = {
                "parameters": told.parameters,
                "multiply_adds": told.multiply_adds,
                "neurons": neurons(network, shape),
                "published": published,
            }
        with atomic(out / f"{name}.txt") as temporary:
            temporary.write_text(f"{told}\n", encoding="utf-8")
    save(_map(numbers), out / "architectures.png")
    if train is None:
        return {"networks": numbers}

    save(_bars(train, counted[train]), out / f"{train}.png")
    data = digits(image_size, channels=3, images=images, seed=seed)
    torch.manual_seed(seed)
    try:
        network = NETWORKS[train][1](image_size)
    except ValueError as error:
        raise UserError(f"lesson.{error}.") from None
    learner = ClassLearner(network, optimiser={"lr": lr}, seed=seed)
    training = batches(data.training, batch_size=batch_size, seed=seed)
    learner = fit(learner, training, batches(data.validation, batch_size=batch_size), out=out, trainer=trainer)
    test, labels = data.test.tensors
    return {"trained": {train: class_scores(logits_of(learner, test), labels)}, "networks": numbers}


@styled
def _map(numbers: dict[str, dict]):
    """Parameters against multiply-adds; the area of a dot is the number of neurons."""
    figure, (panel,) = panels(1, height=4.6)
    for index, (name, number) in enumerate(numbers.items()):
        if name == "plain34":
            continue  # hidden by ResNet-34, which differs from it by its shortcuts
        x, y = number["parameters"] / 1e6, number["multiply_adds"] / 1e9
        panel.scatter(x, y, s=number["neurons"] / 2e4, color=OKABE_ITO[index % len(OKABE_ITO)], alpha=0.6, linewidths=0)
        panel.annotate(name, (x, y), ha="center", va="center", color=INK)
    panel.set(xscale="log", yscale="log", xlim=(4, 260), ylim=(0.4, 40))
    panel.set(xlabel="parameters (millions)", ylabel="multiply-adds per image (billions)")
    panel.set_title("Size and cost; the area of a dot is the number of neurons")
    return figure


@styled
def _bars(name: str, told: Summary):
    """Where the parameters are, and where the work is."""
    parts = {}
    for part, rows in groupby(told.layers, lambda layer: ".".join(layer.name.split(".")[: 2 if "vgg" in name else 1])):
        rows = list(rows)
        counts = [sum(row.parameters for row in rows) / 1e6, sum(row.multiply_adds for row in rows) / 1e6]
        if any(counts):
            parts[part] = counts
    figure, axes = panels(2, height=1.2 + 0.2 * len(parts))
    for column, (panel, unit) in enumerate(
        zip(axes, ("parameters (millions)", "multiply-adds (millions)"), strict=True)
    ):
        panel.barh(list(parts), [counts[column] for counts in parts.values()], color=OKABE_ITO[column])
        panel.invert_yaxis()
        panel.set(title=f"{name}: {unit}")
    return figure
