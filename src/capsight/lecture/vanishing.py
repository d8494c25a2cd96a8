"""The gradient on its way back through 34 layers, with shortcuts and without."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from capsight.lecture.digits import digits
from capsight.lecture.drawing import panels, save, styled
from capsight.lecture.fitting import batches, fit
from capsight.lecture.learners import ClassLearner, class_scores, logits_of
from capsight.nn.initialisation import initialise
from capsight.nn.resnet import PlainNet34, ResNet34
from capsight.report.plots import OKABE_ITO

# title: batch normalisation, initialisation. The first is what deep networks were before both remedies.
CASES = {
    "no normalisation, Glorot's weights": (False, "glorot"),
    "no normalisation, He's weights": (False, "he"),
    "batch normalisation, He's weights": (True, "he"),
}
NETWORKS = {"plain": (PlainNet34, OKABE_ITO[1]), "residual": (ResNet34, OKABE_ITO[0])}


def vanishing(
    out: Path,
    *,
    seed: int,
    trainer: dict,
    width: int = 16,
    image_size: int = 128,
    images: int = 320,
    lr: float = 1e-3,
    batch_size: int = 16,
) -> dict:
    """Measure the gradient by depth in a plain and in a residual network of 34 layers, before and after training.

    width: maps of the first stage (64 in the paper). image_size: below 128 pixels, the last maps are so small that the
    padding makes gradients vanish. images: digits per part of the data, at most. Returns per case and
    network the norms, first layer first, and their ratio of the first layer to the last.
    """
    data = digits(image_size, channels=3, images=images, seed=seed)
    test, labels = data.test.tensors
    measured = {}
    for case, (normalise, scheme) in CASES.items():
        for name, (network_class, _) in NETWORKS.items():
            torch.manual_seed(seed)
            network = initialise(network_class(classes=10, width=width, normalise=normalise), scheme)
            before = gradient_norms(network, *data.training[:32])
            learner = ClassLearner(network, optimiser={"lr": lr}, seed=seed)
            training = batches(data.training, batch_size=batch_size, seed=seed)
            validation = batches(data.validation, batch_size=batch_size)
            fit(learner, training, validation, out=out / _folder(case, name), trainer=trainer)
            after = gradient_norms(network, *data.training[:32])
            measured.setdefault(case, {})[name] = {
                "first_to_last_before": before[0] / before[-1],
                "first_to_last_after": after[0] / after[-1],
                "before": before,
                "after": after,
                "test": class_scores(logits_of(network, test), labels),
            }
    save(_picture(measured), out / "vanishing.png")
    return measured


def gradient_norms(network: nn.Module, images: Tensor, labels: Tensor) -> list[float]:
    """Return the norm of the loss's gradient with respect to the output of every layer, first layer first.

    It is the root of the mean square over the images; layers are the convolutions, but those in
    shortcuts, and the linear layer. Computed in training mode, with the statistics of this batch; the network is left
    as it was.
    """
    norms, hooks = {}, []
    layers = [
        module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and "shortcut" not in name
    ]

    def watch(depth: int, output: Tensor) -> None:
        output.register_hook(lambda gradient: norms.update({depth: float(gradient.double().square().sum().sqrt())}))

    for depth, layer in enumerate(layers):
        hooks.append(layer.register_forward_hook(lambda _, __, output, depth=depth: watch(depth, output)))
    state, training = {name: value.clone() for name, value in network.state_dict().items()}, network.training
    loss = F.cross_entropy(network.train()(images), labels, reduction="sum")
    torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
    for hook in hooks:
        hook.remove()
    network.load_state_dict(state)
    network.train(training)
    return [norms[depth] / len(images) ** 0.5 for depth in range(len(layers))]


def _folder(case: str, name: str) -> str:
    normalise, scheme = CASES[case]
    return f"{name}_{scheme}{'_normalised' if normalise else ''}"


@styled
def _picture(measured: dict):
    figure, axes = panels(2 * len(measured), height=3.2, lines=2)
    for column, (case, networks) in enumerate(measured.items()):
        for row, moment in enumerate(("before", "after")):
            panel = axes[row * len(measured) + column]
            for name, numbers in networks.items():
                norms = np.maximum(numbers[moment], 1e-30)  # a gradient of 0 has no logarithm
                panel.semilogy(range(1, len(norms) + 1), norms, color=NETWORKS[name][1], linewidth=2, label=name)
            panel.set(title=case if row == 0 else "", xlabel="layer, from the image")
            panel.set_ylabel(f"gradient norm, {moment} training" if column == 0 else "")
    axes[0].legend(loc="lower right")
    return figure
