"""The pictures of a sweep: how it went, which settings mattered, and where in the search space the good trials are."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from capsight.report.plots import INK, MUTED, OKABE_ITO, RULE, STYLE, WIDTH, _panels, shorten

METRIC_NAMES = {"auroc": "AUROC", "average_precision": "average precision"}
BLUE, ORANGE, GREEN = OKABE_ITO[0], OKABE_ITO[1], OKABE_ITO[2]


@mpl.rc_context(STYLE)
def history(trials: Sequence[Mapping], *, metric: str, best: int, default: int | None) -> Figure:
    """Draw the value of every trial with its standard error, the best so far, and what was stopped or failed.

    trials: as `learning.sweep.best.outcome` has them.
    """
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    axes = figure.subplots()
    done = [trial for trial in trials if trial["state"] == "complete"]
    axes.errorbar(
        [trial["number"] for trial in done],
        [trial["value"] for trial in done],
        yerr=[trial["standard_error"] or 0 for trial in done],
        fmt="o",
        color=BLUE,
        ecolor=RULE,
        elinewidth=2,
        markersize=6,
        label="finished, ± one standard error",
    )
    tops = [max(trial["value"] for trial in done[: place + 1]) for place in range(len(done))]
    axes.step([t["number"] for t in done], tops, where="post", color=MUTED, linewidth=1.2, label="best so far")
    marks = axes.get_xaxis_transform()  # along the lower edge, because these have no value
    for state, marker, colour, text in (
        ("pruned", "v", ORANGE, "stopped early"),
        ("fail", "x", INK, "failed"),
    ):
        numbers = [trial["number"] for trial in trials if trial["state"] == state]
        if numbers:
            label = f"{text} ({len(numbers)})"
            axes.plot(numbers, [0.03] * len(numbers), marker, color=colour, transform=marks, label=label)
    for number, colour, text in ((default, GREEN, "the experiment's own settings"), (best, BLUE, "best")):
        named = [trial for trial in done if trial["number"] == number]
        for trial in named:
            ring = {"markerfacecolor": "none", "markeredgewidth": 2, "markersize": 13 if text == "best" else 10}
            axes.plot(trial["number"], trial["value"], "o", color=colour, label=text, **ring)
    axes.set(xlabel="trial", ylabel=f"validation {METRIC_NAMES[metric]}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.12)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    return figure


@mpl.rc_context(STYLE)
def importance(shares: Mapping[str, float]) -> Figure:
    """Draw one bar per setting: the share of the variance between trials that goes with it, the largest on top."""
    figure = Figure(figsize=(WIDTH, 0.9 + 0.42 * len(shares)), layout="constrained")
    axes = figure.subplots()
    ordered = sorted(shares.items(), key=lambda pair: pair[1])
    bars = axes.barh([shorten(name) for name, _ in ordered], [share for _, share in ordered], color=BLUE, height=0.6)
    axes.bar_label(bars, [f"{100 * share:.0f} %" for _, share in ordered], padding=4)
    axes.set(xlim=(0, 1.05), xlabel="share of the differences between trials", title="Which settings mattered")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f} %"))
    axes.grid(axis="y", visible=False)
    return figure


@mpl.rc_context(STYLE)
def slices(trials: Sequence[Mapping], *, metric: str, best: int, logarithmic: Sequence[str]) -> Figure:
    """Draw the value of the finished trials over each setting, the best one marked."""
    done = [trial for trial in trials if trial["state"] == "complete"]
    figure, every = _panels(len(done[0]["settings"]), 3.0)
    for axes, name in zip(every, done[0]["settings"], strict=True):
        points = [trial["settings"][name] for trial in done]
        if not all(isinstance(point, int | float) and not isinstance(point, bool) for point in points):
            points = [shorten(str(point), 16) for point in points]
        colours = [ORANGE if trial["number"] == best else BLUE for trial in done]
        axes.scatter(points, [trial["value"] for trial in done], c=colours, s=34, linewidths=0)
        if name in logarithmic:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
        axes.set(title=shorten(name, 30), ylabel=METRIC_NAMES[metric])
    handles = [Line2D([], [], marker="o", linestyle="", color=ORANGE, label="best")]
    every[0].legend(handles=handles, loc="lower right")
    return figure
