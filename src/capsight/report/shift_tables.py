"""The tables of the page about a change of capsule: the numbers of shift.json as cells with footnotes."""

from collections.abc import Sequence
from typing import Any

from capsight.report.shift_blocks import (
    alike,
    baselines,
    called,
    devices_of,
    home_of,
    is_baseline,
    objective_of,
    settings_of,
    source_name,
)
from capsight.report.shift_words import VIEWS, signed
from capsight.report.tables import Cell, Footnotes, Interval, counted, interval

DISTANCES = [
    text for name in ("Proxy A-distance", "MMD²", "Fréchet distance") for text in (name, f"{name}, two halves")
]


def drops(shift: dict) -> dict:
    """Return what the matrix shows: for each source and target, at home, on the target, and the drop."""
    rows = []
    for one in (one for one in shift["summary"] if is_baseline(one)):
        title = _pair(shift, one) + objective_of(one)
        home = interval(home_of(shift, one), ("mean_auroc",))
        rows.append((title, [home, interval(one, ("mean_auroc",)), interval(one, ("drop",))]))
    headings = ["Mean AUROC at home", "On the target", "Drop, over the findings of both"]
    return table("Source → target", headings, {"": rows})


def averages(shift: dict) -> dict:
    """Return the average of each method over the targets that it was used on."""
    rows = {}
    for base in baselines(shift):
        title = "one source device" if base["n_sources"] == 1 else f"{base['n_sources']} source devices"
        for block in alike(shift["averages"], base):
            won = [None, None] if is_baseline(block) else [interval(block, (name,)) for name in ("gain", "recovered")]
            name = f"{called(block)}: {counted(len(block['targets']), 'target')}"
            rows.setdefault(title, []).append((name, [interval(block, ("mean_auroc",)), *won]))
    return table("Sources, and method", ["Mean AUROC", "Gain", "Won back"], rows, shares=(2,))


def results(shift: dict) -> dict:
    """Return every line: its mean AUROC, what it wins back, and the AUROC of each finding."""
    findings = shift["findings"]
    pairs: dict[str, list] = {}
    for one in shift["summary"]:
        title = _pair(shift, one)
        rows = pairs.setdefault(title, [])
        won = [interval(one, (name,)) for name in ("gain", "recovered")]
        if is_baseline(one):
            home, won = home_of(shift, one), [None, None]
            rows.append(
                (f"at home{objective_of(one)}", [interval(home, ("mean_auroc",)), *won, *_aurocs(home, findings)])
            )
        numbers = [interval(one, ("mean_auroc",)), *won, *_aurocs(one, findings)]
        rows.append((called(one) + settings_of(one), numbers))
    headings = ["Mean AUROC", "Gain", "Won back", *findings]
    return table("Source → target, and method", headings, pairs, shares=(2,))


def _aurocs(block: dict, findings: Sequence[str]) -> list[Interval]:
    return [interval(block["findings"].get(name), ("auroc",)) for name in findings]


def choices(shift: dict) -> dict:
    """Return which method without labels each protocol chooses for each target, and what it is worth."""
    groups: dict[str, list] = {}
    for one in shift["choices"]:
        title = _pair(shift, one)
        numbers = [interval(one, ("mean_auroc",)), interval(one, ("recovered",))]
        groups.setdefault(one["selection"], []).append((f"{title}: {called(one)}{settings_of(one)}", numbers))
    return table("Protocol, target, and what it chooses", ["Mean AUROC", "Won back"], groups, shares=(1,))


def thresholds(shift: dict) -> dict:
    """Return what the source's thresholds become, for every method."""
    headings = ["Specificity at home", "Sensitivity at home", "Specificity on the target", "Sensitivity on the target"]
    return _home_and_there(shift, ("specificity", "sensitivity"), headings)


def calibration(shift: dict) -> dict:
    """Return the calibration errors before and after a scaling that was fitted on the source, for every method."""
    headings = ["At home", "At home, scaled", "On the target", "On the target, scaled"]
    return _home_and_there(shift, ("ece", "ece_calibrated"), headings)


def _home_and_there(shift: dict, names: Sequence[str], headings: list[str]) -> dict:
    groups: dict[str, list] = {}
    for one in shift["summary"]:
        title = _pair(shift, one)
        for finding in shift["findings"]:
            blocks = (home_of(shift, one), one)
            numbers = [interval(block["findings"].get(finding), (name,)) for block in blocks for name in names]
            groups.setdefault(title, []).append((f"{finding}: {called(one)}{settings_of(one)}", numbers))
    return table("Source → target, finding and method", headings, groups)


def distances(shift: dict) -> dict:
    """Return how far each target lies from its source in the embedding, beside two halves of the source."""
    rows = [(_pair(shift, one), _distances(one["all"])) for one in shift["distances"]]
    return table("Source → target", DISTANCES, {"": rows})


def distances_by_device(shift: dict) -> dict | None:
    """Return the same for each device of a source; None where every source is one device."""
    groups = {
        f"to {one['target']}": [(f"from {name}", _distances(block)) for name, block in one["by_device"].items()]
        for one in shift["distances"]
        if one["by_device"]
    }
    return table("Device of the source", DISTANCES, groups) if groups else None


def _distances(block: dict) -> list[Interval]:
    names = ("proxy_a_distance", "mmd", "frechet")
    return [interval(part, (name,)) for name in names for part in (block, block["halves"])]


def control(shift: dict) -> dict:
    """Return how well the device is told from parts of the frame."""
    views = shift["control"]["views"].items()
    rows = [(VIEWS[name], [interval(of, ("balanced_accuracy",))]) for name, of in views]
    return table("What is seen of the frame", ["Balanced accuracy"], {"": rows})


def every_cell(shift: dict) -> list[dict[str, Any]]:
    """Return every run with the protocol that chose it."""
    return [
        {
            "name": _pair(shift, one),
            "method": called(one),
            "settings": one["settings"],
            "seed": one["seed"],
            "selection": one["selection"],
            "chosen": one["chosen"],
            "scores": ", ".join(f"{name} {value:.3f}" for name, value in one["scores"].items() if value is not None),
            "auroc": cell(interval(one, ("mean_auroc",)), Footnotes()),
            "run": one["run"],
        }
        for one in shift["cells"]
    ]


def table(first: str, headings: list[str], groups: dict[str, list], shares: Sequence[int] = ()) -> dict:
    """Turn {group: [(name, numbers)]} into cells with footnotes; `shares` are the columns in percent, None is empty."""
    footnotes, filled = Footnotes(), []
    for title, rows in groups.items():
        cells = [
            (name, [cell(number, footnotes, column in shares) for column, number in enumerate(numbers)])
            for name, numbers in rows
        ]
        filled.append((title, cells))
    return {"first": first, "headings": headings, "groups": filled, "notes": footnotes.reasons}


def cell(number: Interval | None, footnotes: Footnotes, share: bool = False) -> Cell:
    """Return a number, which may be below 0, as text."""
    if number is None:
        return Cell("", "", None, "")
    note = footnotes.number(number.reason) if number.reason else None
    if number.value is None:
        return Cell("–", "", note, number.reason)

    def said(value: float) -> str:
        return signed(100 * value, 0) if share else signed(value, 3)

    unit = "\u00a0%" if share else ""
    bounds = f"{said(number.low)} to {said(number.high)}{unit}" if number.has_bounds else ""
    return Cell(said(number.value) + unit, bounds, note, number.reason)


def _pair(shift: dict, one: dict) -> str:
    return f"{source_name(one['source'], one['target'], devices_of(shift))} → {one['target']}"
