"""Pictures of how frames of a video are judged."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from capsight.lecture.drawing import panels, save, styled
from capsight.lecture.drawn_frames import truth
from capsight.report.plots import MARKERS, OKABE_ITO, RULE

TITLES = {"frame_by_frame": "frame by frame", "lstm": "LSTM"}


@styled
def draw_false_positives(file: Path, numbers: dict, sensitivity: float) -> None:
    """Draw the false positives per video of every judge, with intervals, by finding."""
    measured = {name: part for name, part in numbers["false_positives_per_video"].items() if "reason" not in part}
    figure, (axes,) = panels(1, height=4.0)
    judges = list(next(iter(measured.values()), {}))
    for index, judge in enumerate(judges):
        at = np.arange(len(measured)) + 0.16 * (index - (len(judges) - 1) / 2)
        parts = [part[judge] for part in measured.values()]
        style = {"color": OKABE_ITO[index], "marker": MARKERS[index], "markersize": 7}
        axes.plot(
            at,
            [part["value"] for part in parts],
            linestyle="none",
            label=TITLES.get(judge, judge),
            clip_on=False,
            **style,
        )
        ends = [[np.nan if part[end] is None else part[end] for part in parts] for end in ("low", "high")]
        axes.vlines(at, *ends, color=OKABE_ITO[index], linewidth=2)
    axes.set(xticks=range(len(measured)), xticklabels=list(measured), ylim=(0, None))
    axes.set_ylabel("frames flagged in vain, per video")
    axes.set_title(f"False positives where {sensitivity:.0%} of the frames with the finding are found")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    save(figure, file)


@styled
def draw_video(file: Path, table: pd.DataFrame, findings: Sequence[str], logits: dict[str, Tensor]) -> None:
    """Draw the probabilities over the video with the most frames with findings; grey is where a finding is."""
    labels = truth(table, findings)
    seen = pd.Series((labels == 1).sum(1).numpy()).groupby(table["video"].to_numpy()).sum()
    rows = np.flatnonzero(table["video"].to_numpy() == seen.idxmax())
    figure, axes = panels(len(findings), height=1.6, lines=len(findings))
    for column, (panel, finding) in enumerate(zip(axes, findings, strict=True)):
        there = labels[rows, column].numpy()
        time = np.arange(len(rows))
        panel.fill_between(time, 0, 1, where=there == 1, step="mid", color=RULE, linewidth=0)
        panel.fill_between(time, 0, 1, where=np.isnan(there), step="mid", color=RULE, alpha=0.4, linewidth=0)
        for index, (name, values) in enumerate(logits.items()):
            probability = values[rows, column].sigmoid().numpy()
            panel.plot(time, probability, color=OKABE_ITO[index], linewidth=1.5, label=TITLES.get(name, name))
        panel.set(ylim=(-0.02, 1.02), xlim=(0, len(rows) - 1), ylabel=finding)
    axes[0].set_title("Probabilities over one video; grey: the finding is there, light grey: too little of it to tell")
    figure.legend(*axes[0].get_legend_handles_labels(), ncols=3, loc="outside lower center")
    axes[-1].set_xlabel("frame")
    save(figure, file)
