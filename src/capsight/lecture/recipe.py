"""The training recipe of 2012 and after: every part is a switch, and the error is measured without each."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from capsight.data.transforms import CROP_FROM, ten_crop
from capsight.errors import UserError
from capsight.learning.checkpoints import load_checkpoint
from capsight.lecture.drawing import panels, save, styled
from capsight.lecture.fitting import batches, fit
from capsight.lecture.learners import ClassLearner, class_scores, logits_of
from capsight.lecture.shapes import shapes
from capsight.nn.convolution import convolution
from capsight.nn.initialisation import SCHEMES, initialise
from capsight.report.plots import INK, OKABE_ITO

CLASSES = ("circle", "triangle", "square", "star of 3", "star of 4", "star of 5", "bar", "heart")
# What "without it" means for each part.
OFF = {
    "momentum": 0.0,
    "dropout": 0.0,
    "normalise": False,
    "initialisation": "gaussian",
    "crops": False,
    "reflections": False,
    "ten_crop": False,
    "weights": None,
}


def recipe(
    out: Path,
    *,
    seed: int,
    trainer: dict,
    momentum: float = 0.9,
    dropout: float = 0.2,
    normalise: bool = True,
    initialisation: str = "he",
    crops: bool = True,
    reflections: bool = True,
    ten_crop: bool = True,
    weights: str | None = None,
    ablate: bool = True,
    classes: Sequence[str] = CLASSES,
    images: int = 480,
    noise: float = 0.06,
    crop_size: int = 28,
    width: int = 8,
    lr: float = 0.1,
    batch_size: int = 32,
) -> dict:
    """Train a small network on few pictures with the recipe, and with `ablate` once more without each part of it.

    weights: the best.ckpt of another run of this lesson, from which all but the classifier is taken. crop_size: pixels
    that the network sees, 224 : 256 of the picture. Returns the top-1 and top-5 errors of each training.
    """
    parts = {
        "momentum": momentum,
        "dropout": dropout,
        "normalise": normalise,
        "initialisation": initialisation,
        "crops": crops,
        "reflections": reflections,
        "ten_crop": ten_crop,
        "weights": weights,
    }
    drawn = {"size": round(crop_size * CROP_FROM), "names": classes, "noise": noise}
    training, validation, test = (
        shapes(number, **drawn, seed=3 * seed + part) for part, number in enumerate((images, 240, 2000))
    )
    loaders = batches(training, batch_size=batch_size, seed=seed), batches(validation, batch_size=batch_size)

    def errors(folder: str, **parts) -> dict:
        torch.manual_seed(seed)
        learner = RecipeLearner(len(classes), crop_size=crop_size, width=width, lr=lr, seed=seed, **parts)
        return class_scores(
            logits_of(fit(learner, *loaders, out=out / folder, trainer=trainer), test.tensors[0]), test.tensors[1]
        )

    measured = {"the whole recipe": errors("whole", **parts)}
    for part in [part for part in parts if ablate and parts[part] != OFF[part]]:
        measured[f"without {part}"] = errors(f"without_{part}", **{**parts, part: OFF[part]})
    save(_picture(measured), out / "recipe.png")
    return measured


class RecipeLearner(ClassLearner):
    """A small network of 3 × 3 convolutions, and how it is trained; the arguments are those of the lesson.

    Pictures are 256/224 of `crop_size`; the logits are the average over ten crops, or of the middle one.
    """

    def __init__(
        self,
        classes: int,
        *,
        crop_size: int,
        width: int = 8,
        lr: float = 0.1,
        seed: int = 0,
        momentum: float = 0.9,
        dropout: float = 0.2,
        normalise: bool = True,
        initialisation: str = "he",
        crops: bool = True,
        reflections: bool = True,
        ten_crop: bool = True,
        weights: str | None = None,
    ):
        if initialisation not in SCHEMES:
            raise UserError(f"lesson.initialisation={initialisation} is not known; choose {', '.join(SCHEMES)}.")
        network = initialise(_network(classes, width, dropout, normalise), initialisation)
        if weights is not None:
            transfer(network, weights)
        super().__init__(
            network, optimiser={"name": "sgd", "lr": lr, "momentum": momentum, "weight_decay": 5e-4}, seed=seed
        )
        self.crop_size, self.crops, self.reflections, self.ten_crop = crop_size, crops, reflections, ten_crop

    def forward(self, images: Tensor) -> Tensor:
        crops = ten_crop(images, self.crop_size)  # (B, 10, 3, crop_size, crop_size)
        if not self.ten_crop:
            return self.network(crops[:, 4])  # the middle one
        return self.network(crops.flatten(0, 1)).unflatten(0, crops.shape[:2]).mean(dim=1)

    def augmented(self, images: Tensor) -> Tensor:
        """Return what the network sees in training: (B, 3, crop_size, crop_size)."""
        images = random_crops(images, self.crop_size) if self.crops else ten_crop(images, self.crop_size)[:, 4]
        return random_reflections(images) if self.reflections else images

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        images, labels = batch
        return self.training_loss(self.network(self.augmented(images)), labels)


def random_crops(images: Tensor, size: int) -> Tensor:
    """Cut a window of `size` pixels out of each image, anywhere: (B, C, H, W) → (B, C, size, size)."""
    top, left = (torch.randint(length - size + 1, (len(images),), device=images.device) for length in images.shape[-2:])
    window = torch.arange(size, device=images.device)
    rows, columns = top[:, None] + window, left[:, None] + window
    chosen = torch.arange(len(images), device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[chosen, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def random_reflections(images: Tensor) -> Tensor:
    """Mirror half of the images, by chance."""
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(mirrored, images.flip(-1), images)


def transfer(network: nn.Module, checkpoint: str | Path) -> None:
    """Take all weights but the classifier's from a checkpoint of this lesson. UserError where they do not fit."""
    state = {name.removeprefix("network."): value for name, value in load_checkpoint(checkpoint)["state_dict"].items()}
    own = network.state_dict()
    wanted = {name for name in own if not name.startswith("classifier.")}
    if not all(name in state and state[name].shape == own[name].shape for name in wanted):
        raise UserError(f"the weights in {checkpoint} are of another network; use the same width and normalise.")
    network.load_state_dict({name: state[name] for name in wanted}, strict=False)


def _network(classes: int, width: int, dropout: float, normalise: bool) -> nn.Sequential:
    """Three stages of two convolutions, then a linear classifier."""
    network, inputs = nn.Sequential(), 3
    for stage in range(3):
        outputs = width << stage
        for block, given in (("a", inputs), ("b", outputs)):
            network.add_module(
                f"conv{stage + 1}{block}", convolution(given, outputs, 3, padding=1, normalise=normalise)
            )
        network.add_module(f"pool{stage + 1}", nn.MaxPool2d(2))
        inputs = outputs
    network.add_module("average", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    network.add_module("dropout", nn.Dropout(dropout))
    network.add_module("classifier", nn.Linear(inputs, classes))
    return network


@styled
def _picture(measured: dict):
    figure, (panel,) = panels(1, height=0.8 + 0.4 * len(measured))
    for row, scores in enumerate(measured.values()):
        error, low, high = (1 - scores["accuracy"][key] for key in ("value", "high", "low"))
        panel.plot([low, high], [row, row], color=OKABE_ITO[row > 0], linewidth=2.4)
        panel.plot(error, row, "o", color=OKABE_ITO[row > 0])
        panel.text(high + 0.01, row, f"{error:.3f}", va="center", color=INK)
    panel.set(yticks=range(len(measured)), yticklabels=measured, xlim=(0, None), xlabel="top-1 error on 2,000 pictures")
    panel.invert_yaxis()
    return figure
