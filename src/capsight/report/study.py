"""What a reading study leaves: reading_study.json, one page, one picture, and a table for the terminal."""

import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from capsight.files import atomic, write_json
from capsight.notice import NOTICE
from capsight.report.pages import write_page
from capsight.report.plots import STYLE, data_uri
from capsight.report.study_plots import sensitivity
from capsight.report.study_words import WAYS, needed, percent, tell, times, whole
from capsight.report.tables import Footnotes, Interval, interval


def write_study(out: Path, study: dict, *, title: str, remarks: Sequence[str] = ()) -> dict:
    """Write reading_study.json, reading_study.html and sensitivity.png; return the content of the first.

    remarks: what must be known of the videos before the numbers are read.
    """
    study = study | {"words": tell(study), "remarks": list(remarks), "notice": NOTICE}
    figure = sensitivity(study)
    write_json(study, out / "reading_study.json")
    with atomic(out / "sensitivity.png") as temporary:
        temporary.write_bytes(_png(figure))
    write_page(
        out / "reading_study.html",
        "study.html.j2",
        title=title,
        study=study,
        picture=data_uri(figure),
        target=f"{100 * study['target']:.0f} %",
        tables=[_page_table(*table) for table in (_ways(study), _by_finding(study), _alarms(study))],
    )
    return study


def print_study(study: dict, console: Console | None = None) -> None:
    """Print the frames that each way needs, what is shown in vain, and what it means."""
    console, footnotes = console or Console(), Footnotes()
    title, headings, rows = _ways(study)
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    table.add_column(headings[0], overflow="fold")
    for heading in headings[1:]:
        table.add_column(heading, justify="right")
    for name, numbers in rows:
        table.add_row(name, *(Text(_told(number, said, footnotes)) for number, said in numbers))
    console.print(table)
    for number, reason in enumerate(footnotes.reasons, 1):
        console.print(f"[{number}] {reason}", markup=False, highlight=False)
    console.print(" ".join(study["words"]), markup=False, highlight=False)


Numbers = list[tuple[str, list[tuple[Interval, Callable[[Interval], str]]]]]
Filled = tuple[str, list[str], Numbers]


def _ways(study: dict) -> Filled:
    target = f"{100 * study['target']:.0f} %"
    rows = []
    for way, name in WAYS.items():
        vain = interval(study["ways"][way], ("false_frames_at_target",))
        ratio = Interval(1.0, None, None, "") if way == "events" else interval(study["times_as_many"], (way,))
        rows.append((name, [(needed(study, way), whole), (vain, whole), (ratio, times)]))
    title = f"Frames shown per video until {target} of the lesions are seen, with 95 % intervals"
    return title, ["Way", "Frames", "In vain", "Times as many"], rows


def _by_finding(study: dict) -> Filled:
    rows = []
    for finding, part in study["by_finding"].items():
        numbers = [(interval(part["ways"][way], ("frames_for_target",)), whole) for way in WAYS]
        rows.append((f"{finding} ({part['n_lesions']} lesions, {part['n_patients']} patients)", numbers))
    return "The same for each finding's lesions", ["Finding", *WAYS.values()], rows


def _alarms(study: dict) -> Filled:
    names = {"events": "best frame of every event", "frames": "every frame above a threshold"}
    rows = []
    for way, name in names.items():
        of = study["alarms"][way]
        told = [(interval(of, (key,)), whole) for key in ("per_video", "false_per_video")]
        rows.append((name, [*told, (interval(of, ("lesion_sensitivity",)), percent)]))
    return "Every event, and every frame above a threshold", ["What", "Per video", "In vain", "Lesions shown"], rows


def _page_table(title: str, headings: list[str], rows: Numbers) -> dict:
    notes = Footnotes()
    told = [(name, [_told(number, said, notes) for number, said in numbers]) for name, numbers in rows]
    return {"title": title, "headings": headings, "rows": told, "notes": notes.reasons}


def _told(number: Interval, said: Callable[[Interval], str], footnotes: Footnotes) -> str:
    told = "–" if number.value is None else said(number)
    return told + (f" [{footnotes.number(number.reason)}]" if number.reason else "")


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()
