"""The rows as one table."""

from rich.console import Console
from rich.table import Table

NOTHING = "–"


def print_rows(rows: list[dict]) -> None:
    table = Table("what", "size", "ours", "peer", "times faster", "ours", "peer", "times leaner", "peer's name; notes")
    for row in rows:
        name = row["peer_name"] or "no peer"
        table.add_row(
            row["name"],
            size(row["size"]),
            *(seconds(row[key]) for key in ("ours", "peer")),
            times(row["ratio"]),
            *(mib(row[key]) for key in ("ours_mib", "peer_mib")),
            times(row["leaner"]),
            f"{name}; {row['note']}" if row["note"] else name,
        )
    Console(width=170).print(table)


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
