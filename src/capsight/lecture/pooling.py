"""Convolution and pooling: max pooling tolerates small shifts, and what a unit sees can be calculated."""

from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from capsight.lecture.digits import Digits, digits
from capsight.lecture.drawing import panels, save, styled
from capsight.lecture.fitting import batches, fit
from capsight.lecture.learners import ClassLearner, logits_of
from capsight.nn.convolution import convolution
from capsight.nn.lenet import LeNet5
from capsight.nn.receptive_field import footprint, receptive_field
from capsight.report.plots import OKABE_ITO

CANVAS = 32  # pixels; the digit is smaller, so that a shift loses nothing of it
KINDS = {"max pooling": OKABE_ITO[0], "every n-th response": OKABE_ITO[1]}


class Every(nn.Module):
    """Keeps every n-th response in both directions: as small as after a pooling, but nothing is pooled."""

    def __init__(self, n: int):
        super().__init__()
        self.n = n

    def forward(self, maps: Tensor) -> Tensor:
        return maps[..., :: self.n, :: self.n]


def pooling(
    out: Path,
    *,
    seed: int,
    trainer: dict,
    window: int = 4,
    digit_size: int = 20,
    shifts: int = 4,
    lr: float = 3e-3,
    batch_size: int = 32,
) -> dict:
    """Train the same network on centred digits with and without max pooling, and shift the digits of the test.

    window: pixels of the first pooling. Returns, per shift in pixels, how much the responses change (relative to their
    size) and the accuracy; and receptive fields, calculated and measured.
    """
    data = _in_the_middle(digits(digit_size, seed=seed))
    changes, accuracies = {}, {}
    for kind in KINDS:
        torch.manual_seed(seed)
        network = _network(window, nn.MaxPool2d if kind == "max pooling" else Every)
        learner = ClassLearner(network, optimiser={"lr": lr}, seed=seed)
        training = batches(data.training, batch_size=batch_size, seed=seed)
        validation = batches(data.validation, batch_size=batch_size)
        fit(learner, training, validation, out=out / kind.replace(" ", "_"), trainer=trainer)
        images, labels = data.test.tensors
        changes[kind] = [_change(network[:2], images, shift) for shift in range(shifts + 1)]
        accuracies[kind] = [_accuracy(network, images, labels, shift) for shift in range(shifts + 1)]
    save(_shift_picture(changes, accuracies), out / "pooling.png")
    chains = _chains(window)
    save(_field_picture(chains), out / "receptive_field.png")
    return {
        "response_change_by_shift": changes,
        "accuracy_by_shift": accuracies,
        "receptive_field": {name: _fields(chain) for name, chain in chains.items()},
    }


def _network(window: int, smaller: type[nn.Module]) -> nn.Sequential:
    side = CANVAS // window // 2
    first, second = convolution(1, 16, 5, padding=2), convolution(16, 32, 3, padding=1)
    return nn.Sequential(first, smaller(window), second, smaller(2), nn.Flatten(), nn.Linear(32 * side**2, 10))


def _in_the_middle(data: Digits) -> Digits:
    for part in data:
        images, labels = part.tensors
        before = (CANVAS - images.shape[-1]) // 2
        after = CANVAS - images.shape[-1] - before
        part.tensors = (F.pad(images, (before, after, before, after)), labels)
    return data


def _shifted(images: Tensor, shift: int) -> list[Tensor]:
    """Shift to the four sides."""
    return [torch.roll(images, sign * shift, dims=dim) for dim in (-2, -1) for sign in (-1, 1)]


@torch.no_grad()
def _change(stage: nn.Module, images: Tensor, shift: int) -> float:
    """Return |response to the shifted image − response| / |response|, averaged over images and directions."""
    response = stage(images).flatten(1)
    changes = [(stage(moved).flatten(1) - response).norm(dim=1) for moved in _shifted(images, shift)]
    return float((torch.stack(changes) / response.norm(dim=1)).mean())


def _accuracy(network: nn.Module, images: Tensor, labels: Tensor, shift: int) -> float:
    hits = [logits_of(network, moved).argmax(dim=1) == labels for moved in _shifted(images, shift)]
    return float(torch.stack(hits).float().mean())


def _chains(window: int) -> dict[str, nn.Sequential]:
    torch.manual_seed(0)
    threes = [convolution(1 if i == 0 else 4, 4, 3) for i in range(3)]
    return {
        "three 3 × 3 convolutions": nn.Sequential(*threes),
        "LeNet-5 to S4": nn.Sequential(*list(LeNet5().children())[:4]),
        "the network above": _network(window, nn.MaxPool2d)[:4],
    }


def _fields(chain: nn.Sequential) -> dict[str, int]:
    seen = (footprint(chain, (1, CANVAS, CANVAS)) > 0).any(dim=0).nonzero().ravel()
    return {"calculated": receptive_field(chain).size, "measured": int(seen[-1] - seen[0]) + 1}


@styled
def _shift_picture(changes: dict, accuracies: dict):
    figure, axes = panels(2)
    for panel, measured, title in zip(
        axes, (changes, accuracies), ("Change of the first responses", "Accuracy on shifted digits"), strict=True
    ):
        for kind, values in measured.items():
            panel.plot(range(len(values)), values, color=KINDS[kind], marker="o", linewidth=2, label=kind)
        panel.set(title=title, xlabel="shift (pixels)", xticks=range(len(values)), ylim=(0, None))
    axes[0].legend(loc="lower right")
    return figure


@styled
def _field_picture(chains: dict):
    figure, axes = panels(len(chains))
    for panel, (name, chain) in zip(axes, chains.items(), strict=True):
        seen = footprint(chain, (1, CANVAS, CANVAS))
        field = receptive_field(chain)
        unit = chain(torch.zeros(1, 1, CANVAS, CANVAS)).shape[-1] // 2
        corner = field.start + unit * field.step - 0.5
        panel.imshow((seen / seen.max()).numpy(), cmap="viridis")
        panel.add_patch(
            Rectangle((corner, corner), field.size, field.size, fill=False, color=OKABE_ITO[1], linewidth=2)
        )
        panel.set(title=f"{name}: {field.size} pixels", xticks=[], yticks=[])
        panel.grid(False)
    figure.suptitle("Gradient of one unit by pixel, and the field that is calculated for it (frame)", fontsize=10)
    return figure
