"""What a grid of trainings leaves: shift.json, shift.html, and a table to look at."""

from pathlib import Path

import pandas as pd
from rich.console import Console

from capsight.data.device_views import device_views
from capsight.evaluation.shift import measure_shift
from capsight.files import write_result
from capsight.report.shift import print_shift, write_shift


def write_shift_results(out: Path, cells: list[dict], table: pd.DataFrame, settings: dict) -> dict:
    """Measure the finished cells below `out`, write both files, print the averages, and return what was measured.

    table: the manifest with all labels, which the oracle protocol alone looks at. settings: those of scripts/shift.py.
    """
    devices = {device for cell in cells for device in [*cell["source"], cell["target"]]}
    used = table[table["device"].isin(devices)]
    shift = measure_shift(
        cells,
        out,
        labels=used[["path", *settings["data"]["findings"]]],
        frames=device_views(used, settings["data"]["root"], on_bad_frame=settings["data"]["on_bad_frame"]),
        selection=settings["grid"]["selection"],
    )
    write_result(shift, out / "shift.json")
    write_shift(out / "shift.html", shift, title=settings["title"])
    print_shift(shift)
    Console().print(f"report: {(out / 'shift.html').resolve()}", highlight=False, soft_wrap=True)
    return shift
