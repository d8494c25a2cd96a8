"""docs/benchmarks.md, from what was measured alone."""

from collections.abc import Iterable
from pathlib import Path

from table import NOTHING, mib, number, seconds, size, times

from capsight.files import atomic

METHOD = """\
Measured on {machine}; {versions}. {quick}Load of the machine when it began: {load}.

- **Time**: the works of a row run in turns in one process, 3 to 15 rounds, after a warm-up on a small input; the median
  counts. A machine that slows down for a while slows all of them. Where the peer cannot take part and this project
  needs more than 15 s, it runs once.
- **Memory**: each work runs once in a fresh process that has imported the libraries, made the input and done the work
  on a small input; peak resident memory, as the kernel counts it, above the start. Below 1 MiB it cannot be told from
  noise, so ratios count less than 1 MiB as 1.
- **Ratio**: above 1, this project is better.
- A peer that is missing, fails, or would need more memory or time than there is (foreseen from the smaller sizes), is a
  row that says so.
- **Same result**: the largest difference of the two results, relative to the peer's largest number.
"""

HEADINGS = {"triplet": "Triplet loss", "cam": "CAM", "mc_dropout": "MC dropout", "copies": "Near-identical frames"}


def write_page(results: dict, file: str | Path, picture: str | None) -> None:
    """Write the page; picture: the name of the picture beside it, None for none."""
    parts = ["# Benchmarks: this project against its peers\n"]
    parts.append("```bash\npip install -e '.[peers]'\npython benchmarks/run.py out=FILE page=docs/benchmarks.md\n```\n")
    parts.append(METHOD.format(**_machine(results["facts"])))
    parts.append("## Aims\n\n" + _aims(results["aims"]))
    for family in dict.fromkeys(row["family"] for row in results["rows"]):
        parts.append(_family(family, [row for row in results["rows"] if row["family"] == family]))
    if picture:
        parts.append(f"## How cost grows\n\n![Seconds and memory over the number of frames]({picture})\n")
    if results["correctness"]:
        parts.append("## Correctness\n\n" + _correctness(results["correctness"]))
    with atomic(file) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def _machine(facts: dict) -> dict[str, str]:
    memory = f", {facts['memory_gib']} GiB" if facts["memory_gib"] else ""
    instructions = f" with {', '.join(facts['instructions'])}" if facts["instructions"] else ""
    return {
        "machine": f"{facts['cores']} cores of {facts['processor']}{instructions}{memory}, {facts['threads']} threads",
        "versions": ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
        "quick": "**A quick run with tiny inputs: these numbers say nothing.** " if facts["quick"] else "",
        "load": NOTHING if facts["load_at_start"] is None else f"{facts['load_at_start']}",
    }


def _aims(aims: list[dict]) -> str:
    return _table(("aim", "measured", ""), (_aim(aim) for aim in aims))


def _aim(aim: dict) -> tuple[str, str, str]:
    measured = aim["measured"]
    told = {"s": seconds, "AUROC": number}.get(aim["unit"], lambda value: f"{times(value)} {aim['unit']}")(measured)
    return aim["aim"], NOTHING if measured is None else told, aim["state"] + (f" ({aim['why']})" if aim["why"] else "")


def _family(name: str, rows: list[dict]) -> str:
    heads = (
        *("what", "size", "peer", "this project", "peer's time", "times faster"),
        *("memory", "peer's memory", "times leaner", "same result", "note"),
    )
    return f"## {HEADINGS.get(name, name.capitalize())}\n\n" + _table(heads, map(_row, rows))


def _row(row: dict) -> tuple[str, ...]:
    return (
        row["name"],
        size(row["size"]),
        row["peer_name"] or NOTHING,
        *(seconds(row[key]) for key in ("ours", "peer")),
        times(row["ratio"]),
        *(mib(row[key]) for key in ("ours_mib", "peer_mib")),
        times(row["leaner"]),
        number(row["difference"]),
        row["note"] or "",
    )


def _correctness(checks: list[dict]) -> str:
    heads = ("what", "checked", "number", "")
    return _table(
        heads, ((c["name"], c["checked"] or c["note"] or "", number(c["number"]), verdict(c)) for c in checks)
    )


def verdict(check: dict) -> str:
    return {True: "pass", False: "FAIL", None: "not checked"}[check["passed"]]


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    heads = tuple(heads)
    return "\n".join([line(heads), "|" + " --- |" * len(heads), *map(line, rows)]) + "\n"
