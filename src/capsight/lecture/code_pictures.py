"""Pictures of what autoencoders rebuild, and of their codes."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from capsight.lecture.drawing import panels, save, show_images, styled
from capsight.lecture.image_sets import ImageSet
from capsight.report.plots import MARKERS, MUTED, OKABE_ITO, TOL_MUTED


@torch.no_grad()
@styled
def draw_rebuilt(file: Path, networks: dict[str, nn.Module], spoilt: dict[str, Tensor], number: int = 2) -> None:
    """Draw the first `number` images, spoilt in every way, and below them what each network makes of them."""
    inputs = [image for images in spoilt.values() for image in images[:number]]
    lines = {"input": torch.stack(inputs)}
    lines |= {name: network(lines["input"]) for name, network in networks.items()}
    figure, axes = panels(len(inputs) * len(lines), height=1.0, lines=len(lines))
    show_images(axes, [_pixels(image) for images in lines.values() for image in images])
    for column, name in enumerate(spoilt):
        axes[column * number].set_title(name, fontsize=9)
    for row, name in enumerate(lines):
        axes[row * len(inputs)].set_ylabel(name, fontsize=8)
    save(figure, file)


def _pixels(image: Tensor) -> np.ndarray:
    return image.clamp(0, 1).permute(1, 2, 0).squeeze(-1).numpy()


@torch.no_grad()
@styled
def draw_map(file: Path, network: nn.Module, data: ImageSet) -> None:
    """Draw the test images where the first two numbers of their code put them, coloured by class."""
    points = network.encode(data.test)[:, :2].numpy()
    figure, (axes,) = panels(1, height=6.5)
    for index, name in enumerate(data.classes):
        here = data.labels == index
        style = {"c": (*TOL_MUTED, MUTED)[index], "marker": MARKERS[index % len(MARKERS)]}
        axes.scatter(*points[here].T, s=28, linewidths=0, alpha=0.85, label=name, **style)
    axes.set(title="Codes of two numbers, of images that were not trained on", xlabel="first", ylabel="second")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    save(figure, file)


@styled
def draw_compression(file: Path, compression: dict[str, dict]) -> None:
    """Draw the error over the numbers in a code, with intervals."""
    widths = [int(width) for width in compression]
    figure, (axes,) = panels(1, height=4.2)
    for index, (name, title) in enumerate({"autoencoder": "autoencoder", "pca": "PCA"}.items()):
        values = [errors[name] for errors in compression.values()]
        colour = OKABE_ITO[index]
        axes.fill_between(widths, *([v[end] for v in values] for end in ("low", "high")), color=colour, alpha=0.2)
        axes.plot(widths, [v["value"] for v in values], color=colour, marker=MARKERS[index], label=title)
    axes.set_xscale("log", base=2)
    axes.set(
        xticks=widths, xticklabels=widths, xlabel="numbers in the code", ylabel="mean squared error", ylim=(0, None)
    )
    axes.set_title("Compression: size against error")
    axes.legend()
    save(figure, file)
