"""Markdown from data: text that stays text, and tables."""

import re
from collections.abc import Iterable, Sequence

SPECIAL = re.compile(r"([\\`*_\[\]#|~$])")


def text(value: object) -> str:
    """Return a value as Markdown that shows it as it is, on one line; None is a dash."""
    if value is None:
        return "–"
    line = " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return SPECIAL.sub(r"\\\1", line)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table whose first column is text and whose others are numbers, all cells escaped."""
    line = "| " + " | ".join([":--", *["--:"] * (len(headings) - 1)]) + " |"
    cells = [f"| {' | '.join(text(cell) for cell in row)} |" for row in (headings, *rows)]
    return "\n".join([cells[0], line, *cells[1:]])


def bullets(lines: Iterable[str]) -> str:
    """Return a list of sentences from data."""
    return "\n".join(f"- {text(line)}" for line in lines)
