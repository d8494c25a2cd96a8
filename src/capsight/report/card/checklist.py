"""The checklist of a run: which items of CLAIM and STARD-AI it answers and where, and what the author must add.

An item is answered by places in the run's files, which are looked up: what is not there is not claimed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet
import yaml

from capsight.files import atomic
from capsight.notice import NOTICE
from capsight.report.card.markdown import text


@dataclass(frozen=True)
class Item:
    """An item of a checklist.

    places: where the run answers it, each as "FILE: KEY", "FILE: HEADING" or "FILE"; add: what the author must say.
    """

    number: str
    title: str
    places: tuple[str, ...] = ()
    add: str = ""


@dataclass(frozen=True)
class Checklist:
    name: str
    source: str  # the publication, and how its items were confirmed
    items: tuple[Item, ...]


def write_checklist(folder: Path, lists: Sequence[Checklist]) -> None:
    """Write checklist.md of a run folder that holds all its other files."""
    with atomic(folder / "checklist.md") as temporary:
        temporary.write_text(checklist(folder, lists), encoding="utf-8", newline="\n")


def checklist(folder: Path, lists: Sequence[Checklist]) -> str:
    """Return the checklists as Markdown, a row per item."""
    parts = [
        "# Reporting checklists",
        f"**{NOTICE}**",
        "What this run answers for a report about it, and where. The short titles are paraphrased: fill in the "
        "published form. *Answered* means that the run holds it; it must still be written into the report.",
    ]
    for one in lists:
        rows = [_row(item, folder) for item in one.items]
        counts = {name: sum(row[2] == name for row in rows) for name in ("answered", "in part", "author")}
        told = f"Answered {counts['answered']}, in part {counts['in part']}, left to the author {counts['author']}."
        lines = ["| No. | Item | Answered | Where in the run | What the author must add |", "| --- " * 5 + "|"]
        lines += [f"| {' | '.join(row)} |" for row in rows]
        parts += [f"## {one.name}", one.source, told, "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _row(item: Item, folder: Path) -> list[str]:
    found = [place for place in item.places if holds(folder, place)]
    missing = [place for place in item.places if place not in found]
    add = item.add if not missing else "; ".join([*filter(None, [item.add]), f"not in this run: {', '.join(missing)}"])
    state = "author" if not found else "in part" if add else "answered"
    where = ", ".join(f"`{place}`" for place in found)
    return [item.number, item.title, state, where, text(add) if add else ""]


def holds(folder: Path, place: str) -> bool:
    """Return whether a run has what "FILE: KEY" names; a key that holds nothing (null, empty) is not there."""
    name, _, key = place.partition(": ")
    file = folder / name
    if not key or not file.is_file():
        return file.exists() if not key else False
    if file.suffix == ".md":
        return f"\n## {key}\n" in file.read_text(encoding="utf-8")
    if file.suffix == ".parquet":
        return key in pyarrow.parquet.read_schema(file).names
    found: Any = (json.loads if file.suffix == ".json" else yaml.safe_load)(file.read_text(encoding="utf-8"))
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found is not None and found != {} and found != []
