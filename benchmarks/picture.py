"""How cost grows: seconds and MiB over the size, both axes logarithmic."""

from pathlib import Path

import matplotlib as mpl
from cases import FLOOR, OURS
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from capsight.files import atomic
from capsight.report.plots import MUTED, OKABE_ITO, STYLE

PER_LINE = 3


def draw_growth(rows: list[dict], file: str | Path) -> bool:
    """Write the picture; False where no row has a size that grows."""
    sized = [row for row in rows if isinstance(row["size"], int)]
    names = list(dict.fromkeys(row["name"] for row in sized))
    if not names:
        return False
    with mpl.rc_context(STYLE):
        lines = -(-len(names) // PER_LINE)
        figure = Figure(figsize=(11, 2 * 2.7 * lines), layout="constrained")
        panels = figure.subplots(2 * lines, PER_LINE, squeeze=False)
        for place, name in enumerate(names):
            its = [row for row in sized if row["name"] == name]
            line, column = 2 * (place // PER_LINE), place % PER_LINE
            _panel(panels[line][column], its, ("ours", "peer"), "seconds")
            panels[line][column].set_title(name)
            panels[line][column].legend(fontsize=8)
            _panel(panels[line + 1][column], its, ("ours_mib", "peer_mib"), "MiB above the start")
        for axes in panels.ravel():
            axes.set_visible(axes.has_data())
        with atomic(file) as temporary:
            figure.savefig(temporary, dpi=110)
    return True


def _panel(axes: Axes, rows: list[dict], keys: tuple[str, str], unit: str) -> None:
    ours, peer = keys
    peer_name = rows[0]["peer_name"]
    for key, name, colour, marker in ((ours, OURS, OKABE_ITO[0], "o"), (peer, peer_name, OKABE_ITO[1], "s")):
        points = [(row["size"], row[key]) for row in rows if row[key] is not None]
        if points:
            sizes, costs = zip(*points, strict=True)
            lowest = FLOOR if unit.startswith("MiB") else 0
            axes.plot(sizes, [max(cost, lowest) for cost in costs], color=colour, marker=marker, ms=4, label=name)
    axes.set(xscale="log", yscale="log", xlabel="frames", ylabel=unit)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelcolor=MUTED)
