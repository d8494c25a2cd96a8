"""The picture of a reading study: what is found over the number of frames shown."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from capsight.report.plots import INK, MUTED, OKABE_ITO, PER_LINE, STYLE, WIDTH, shorten
from capsight.report.study_words import WAYS
from capsight.report.tables import counted

DASHED = (0, (4, 3))


@mpl.rc_context(STYLE)
def sensitivity(study: dict) -> Figure:
    """Draw lesions, patients and frames shown in vain over the frames shown per video, and then every finding."""
    ways = study["ways"]
    panels = [
        (f"All lesions ({study['n_lesions']:,})", {way: ways[way]["lesion_sensitivity"] for way in WAYS}),
        (
            f"Patients with a lesion ({study['n_patients_with_lesion']:,})",
            {way: ways[way]["patient_sensitivity"] for way in WAYS},
        ),
        ("Frames shown in vain", {way: ways[way]["false_frames"] for way in WAYS}),
    ]
    for finding, part in study["by_finding"].items():
        of = {way: part["ways"][way]["lesion_sensitivity"] for way in WAYS}
        panels.append((f"{shorten(finding, 24)} ({counted(part['n_lesions'], 'lesion')})", of))
    lines = -(-len(panels) // PER_LINE)
    figure = Figure(figsize=(WIDTH, 3.2 * lines + 0.5), layout="constrained")
    every = list(figure.subplots(lines, PER_LINE, squeeze=False).ravel())
    for number, (axes, (title, curves)) in enumerate(zip(every, panels, strict=False)):
        _panel(axes, title, study["budgets"], curves, target=None if number == 2 else study["target"])
    every[2].set(yscale="log", ylim=(0.8, None), ylabel="frames per video")
    _plain(every[2].yaxis)
    for axes in every[len(panels) :]:
        axes.set_visible(False)
    shown = {label: handle for axes in every for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if shown:
        figure.legend(shown.values(), shown, loc="outside lower center", ncols=len(shown), fontsize=9)
    return figure


def _panel(axes: Axes, title: str, budgets: Sequence[int], curves: dict[str, dict], target: float | None) -> None:
    axes.set(title=title, xscale="log", xlim=(1, max(2, budgets[-1])), xlabel="frames shown per video")
    _plain(axes.xaxis)
    if target is not None:
        axes.axhline(target, color=MUTED, linewidth=0.9, linestyle=DASHED)
        axes.set(ylim=(-0.02, 1.03), ylabel="share found")
    for index, (way, curve) in enumerate(curves.items()):
        if curve["value"] is None:
            continue
        colour = OKABE_ITO[index]
        x, floor = np.array(budgets), 0.0 if target is not None else 1e-3
        style = {"color": colour, "linewidth": 1.8, "zorder": 9 - index}  # events lie above the others
        axes.step(x, np.maximum(curve["value"], floor), where="post", label=f" {WAYS[way]}", **style)
        if curve["low"][0] is not None:
            low, high = (np.maximum(curve[name], floor) for name in ("low", "high"))
            axes.fill_between(x, low, high, step="post", color=colour, alpha=0.13, linewidth=0)
    if all(curve["value"] is None for curve in curves.values()):
        axes.text(0.5, 0.5, "no lesion", transform=axes.transAxes, ha="center", color=INK)


def _plain(axis) -> None:
    """Write 1,000 and not a power of ten."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axis.set_minor_locator(NullLocator())
