"""One HTML page about what happens when the capsule changes: no network, no script; and a table for the terminal."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from capsight.evaluation.trust.calibration_error import BINS
from capsight.progress import track
from capsight.report import shift_pictures as pictures
from capsight.report import shift_tables as tables
from capsight.report.pages import write_page
from capsight.report.shift_blocks import called, is_baseline
from capsight.report.shift_words import PROTOCOLS, decimal, percent, tell
from capsight.report.tables import Footnotes, Interval, interval

PICTURES = (pictures.matrix, pictures.shares, pictures.curves, pictures.thresholds, pictures.calibration)
TABLES = (
    tables.drops,
    tables.results,
    tables.averages,
    tables.choices,
    tables.thresholds,
    tables.calibration,
    tables.distances,
    tables.distances_by_device,
)


def write_shift(
    out_file: str | Path, shift: dict, *, title: str = "A change of capsule", warnings: Sequence[str] = ()
) -> None:
    """Write the page of a shift as one HTML file that needs no network.

    shift: what `evaluation.shift.measure_shift` returns; warnings: sentences to show on top, such as of runs that are
    missing. UserError where the file cannot be written.
    """
    drawn = {of.__name__: partial(of, shift) for of in PICTURES}
    made = {of.__name__: of for of in TABLES}
    if shift["control"]:
        drawn["control"], made["control"] = partial(pictures.control, shift), tables.control
    write_page(
        out_file,
        "shift.html.j2",
        title=title,
        words=shift.get("words") or tell(shift),
        warnings=list(warnings),
        selection=shift["selection"],
        by=f"the score on {PROTOCOLS[shift['selection']]}",
        unlabelled=shift["unlabelled"].replace("_", " "),
        specificity=shift["specificity"],
        bins=BINS,
        devices=(shift["control"] or {}).get("devices", []),
        adapted=not all(is_baseline(block) for block in shift["averages"]),
        left_out=shift["left_out"],
        cells=tables.every_cell(shift),
        pictures={name: draw() for name, draw in track(drawn.items(), "Drawing the shift")},
        tables={name: make(shift) for name, make in made.items()},
    )


def print_shift(shift: dict, console: Console | None = None) -> None:
    """Print the averages over targets, the choices of the protocols, and why numbers are missing."""
    console, footnotes = console or Console(), Footnotes()
    title = f"Averages over targets, with 95 % intervals; settings by {shift['selection']}"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    table.add_column("Method", overflow="fold", min_width=20)
    for heading in ("Targets", "Mean AUROC", "Won back"):
        table.add_column(heading, justify="right", no_wrap=heading != "Targets")
    for block in shift["averages"]:
        won = "" if is_baseline(block) else _told(interval(block, ("recovered",)), percent, footnotes)
        there = _told(interval(block, ("mean_auroc",)), decimal, footnotes)
        table.add_row(Text(called(block)), str(len(block["targets"])), there, won)
    for block in shift["choices_averaged"]:
        numbers = (("mean_auroc", decimal), ("recovered", percent))
        told = [_told(interval(block, (name,)), said, footnotes) for name, said in numbers]
        name = ", ".join(["chosen by " + block["selection"], *filter(None, [block.get("objective")])])
        table.add_row(Text(name), str(len(block["targets"])), *told)
    console.print(table)
    for number, reason in enumerate(footnotes.reasons, 1):
        console.print(f"[{number}] {reason}", markup=False, highlight=False)


def _told(number: Interval, said: Callable[[Interval], str], footnotes: Footnotes) -> Text:
    told = "–" if number.value is None else said(number)
    return Text(told + (f" [{footnotes.number(number.reason)}]" if number.reason else ""))
