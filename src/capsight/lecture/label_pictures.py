"""A picture of what pretraining is worth."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from capsight.lecture.drawing import panels, save
from capsight.report.plots import MARKERS, MUTED, OKABE_ITO


def draw_label_efficiency(file: Path, numbers: dict) -> None:
    """Draw the mean AUROC over the number of labelled patients, and what it has over the first start's.

    numbers: see `label_efficiency`.
    """
    first = next(iter(numbers["mean_auroc"]))
    figure, (left, right) = panels(2, height=4.2)
    _curves(left, numbers["mean_auroc"], 0)
    left.set(ylabel="AUROC, mean over findings", title="On test patients")
    left.legend(loc="lower right")
    right.axhline(0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    _curves(right, numbers[f"mean_minus_{first}"], 1)
    right.set(ylabel="difference of the AUROC", title=f"Compared with {first.replace('_', ' ')}, paired")
    save(figure, file)


def _curves(axes: Axes, numbers: dict[str, dict], index: int) -> None:
    """Draw one curve per start, from the colour number `index` on; sizes stand side by side at equal distances."""
    for place, (start, sizes) in enumerate(numbers.items()):
        at = np.arange(len(sizes)) + 0.09 * (place - (len(numbers) - 1) / 2)
        value, low, high = (
            [np.nan if part[end] is None else part[end] for part in sizes.values()] for end in ("value", "low", "high")
        )
        colour, marker = OKABE_ITO[index + place], MARKERS[index + place]
        axes.plot(at, value, color=colour, marker=marker, linewidth=2, label=start.replace("_", " "))
        axes.vlines(at, low, high, color=colour, linewidth=1.6, alpha=0.7)
    *some, everybody = sizes
    axes.set(xticks=range(len(sizes)), xticklabels=[*some, f"all {everybody}"], xlabel="labelled patients")
