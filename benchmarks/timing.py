"""What the benchmarks share: timing in turns, one table, one JSON file."""

import time
from collections.abc import Callable
from statistics import median

from rich.console import Console
from rich.table import Table

from capsight.files import write_json


def in_turns(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median seconds of each work; one round of all is for warming up, then they run in turns.

    So a machine that slows down for a while slows all of them, and their ratios hold.
    """
    seconds = {name: [] for name in works}
    for _ in range(repeats + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return {name: median(times[1:]) for name, times in seconds.items()}


def row(name: str, size: str, ours: float, peer: float | None, peer_name: str, unit: str = "s") -> dict:
    """One comparison; a ratio above 1 means that this project is better. peer: None where it could not run."""
    ratio = peer / ours if peer is not None else None
    return {
        "name": name,
        "size": size,
        "ours": ours,
        "peer": peer,
        "peer_name": peer_name,
        "ratio": ratio,
        "unit": unit,
    }


def report(rows: list[dict], out: str | None) -> None:
    """Print the rows, and write them as {"rows": [...]} where `out` is given."""
    table = Table("what", "size", "ours", "peer", "peer's name", "ratio")
    for entry in rows:
        ours, peer, ratio = (entry[key] for key in ("ours", "peer", "ratio"))
        shown = [f"{ours:.3g} {entry['unit']}", "–" if peer is None else f"{peer:.3g} {entry['unit']}"]
        table.add_row(
            entry["name"], entry["size"], *shown, entry["peer_name"], "–" if ratio is None else f"{ratio:.2f}"
        )
    Console(width=140).print(table)
    if out:
        write_json({"rows": rows}, out)
