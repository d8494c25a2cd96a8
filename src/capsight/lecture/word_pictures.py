"""Pictures of word vectors: the nearest words, and what the vectors are worth."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from capsight.lecture.drawing import panels, styled
from capsight.lecture.few_labels import WAYS
from capsight.report.plots import INK, MUTED, OKABE_ITO

TITLES = {"random": "random", "skip_gram": "skip-gram", "glove": "GloVe"}
COLOURS = {"random": MUTED, "skip_gram": OKABE_ITO[0], "glove": OKABE_ITO[1]}


@styled
def nearest_picture(found: dict, probes: Sequence[str], words: Sequence[str]) -> Figure:
    """Draw a table per kind of vectors, a line per probe. found: of every kind, what `nearest` gives for each probe."""
    figure, axes = panels(len(found), height=max(1.6, 0.36 * len(probes) + 0.8))
    for panel, (name, per_probe) in zip(axes, found.items(), strict=True):
        cosines = np.array([values for _, values in per_probe])
        panel.imshow(cosines, cmap="Blues", vmin=0, vmax=1.6, aspect="auto")
        for line, (rows, _) in enumerate(per_probe):
            for place, row in enumerate(rows):
                panel.text(place, line, words[row - 1], ha="center", va="center", fontsize=7.5, color=INK)
        panel.set(title=TITLES[name], xticks=[], yticks=range(len(probes)), yticklabels=probes)
        panel.grid(False)
    figure.suptitle("The nearest words, nearest first; the darker, the nearer", fontsize=10.5)
    return figure


@styled
def worth_picture(worth: dict, labels: int) -> Figure:
    """Draw what `compare_vectors` found on one side of the split."""
    figure, (left, right) = panels(2, height=3.4)
    for panel, key in ((left, "accuracy"), (right, "gain_over_random")):
        for line, way in enumerate(WAYS):
            for name, share in worth[way][key].items():
                y = line + 0.22 * (list(TITLES).index(name) - 1)
                panel.plot([share["low"], share["high"]], [y, y], color=COLOURS[name], linewidth=2.4)
                panel.plot(share["value"], y, "o", color=COLOURS[name], label=None if line else TITLES[name])
        panel.set(yticks=range(len(WAYS)), yticklabels=WAYS if panel is left else [], ylim=(len(WAYS) - 0.5, -0.5))
        panel.grid(False, axis="y")
    left.set(title=f"Accuracy on held-out reviews, with {labels:,} labels")
    right.set(title="Gain over random vectors, on the same reviews")
    right.axvline(0, color=COLOURS["random"], linewidth=0.9, linestyle=(0, (4, 3)))
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=3, frameon=False)
    return figure
