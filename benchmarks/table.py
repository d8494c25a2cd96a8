"""The results as tables on the terminal, and how a number is written."""

from rich.console import Console
from rich.table import Table

NOTHING = "–"


def print_results(results: dict) -> None:
    """Print the rows, the aims and the checks."""
    rows = Table("what", "size", "ours", "peer", "times faster", "ours", "peer", "times leaner", "peer's name; notes")
    for row in results["rows"]:
        name = row["peer_name"] or "no peer"
        rows.add_row(
            row["name"],
            size(row["size"]),
            *(seconds(row[key]) for key in ("ours", "peer")),
            times(row["ratio"]),
            *(mib(row[key]) for key in ("ours_mib", "peer_mib")),
            times(row["leaner"]),
            f"{name}; {row['note']}" if row["note"] else name,
        )
    aims = Table("aim", "measured", "state")
    for aim in results["aims"]:
        aims.add_row(aim["aim"], number(aim["measured"]), aim["state"])
    checks = Table("check", "number", "passed", "what; notes")
    for check in results["correctness"]:
        told = check["checked"] or check["note"] or ""
        checks.add_row(check["name"], number(check["number"]), str(check["passed"]), told)
    console = Console(width=170, markup=False)
    for table in (rows, aims, checks):
        if table.row_count:
            console.print(table)


def size(value: int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else value


def seconds(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value * 1000:.3g} ms" if value < 0.9995 else f"{value:.3g} s"


def mib(value: float | None) -> str:
    if value is None:
        return NOTHING
    return "< 1 MiB" if value < 1 else f"{value:,.0f} MiB"


def times(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:.2f}" if value < 9.995 else f"{value:.0f}"


def number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3g}"
