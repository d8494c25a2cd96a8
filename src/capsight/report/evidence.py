"""How far maps can be believed: explanations.json as a table and in sentences, each method against the baselines."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from capsight.explain.measure import BASELINES, HIGHER_IS_BETTER, against_baselines
from capsight.report.tables import Cell, Footnotes, cells, interval

NAMES = {
    "cam": "CAM",
    "gradcam": "Grad-CAM",
    "integrated_gradients": "Integrated gradients",
    "occlusion": "Occlusion",
    "gradient_shap": "Gradient SHAP",
    "smoothgrad": "SmoothGrad",
    "random": "Random map",
    "centre": "Centred blob",
    "mean": "Mean over passes",
    "spread": "Spread over passes",
}


class Column(NamedTuple):
    """A measure, what to call it, and what it means in plain words."""

    name: str
    heading: str
    meaning: str


COLUMNS = (
    Column("pointing_game", "Pointing game", "the share of frames in which the map's strongest point is in the region"),
    Column("energy_inside", "Energy inside", "the share of the evidence that lies in the true region"),
    Column("best_iou", "Best IoU", "the overlap of the true region and the map cut at its best level; 1 is the same"),
    Column(
        "deletion_auc", "Deletion", "the mean probability while the places with the most evidence are blurred first"
    ),
    Column(
        "insertion_auc", "Insertion", "the mean probability while these places come back first into a blurred frame"
    ),
    Column("infidelity", "Infidelity", "how badly evidence foretells what the probability does without that place"),
    Column(
        "max_sensitivity",
        "Max. sensitivity",
        "how much the map changes when the frame hardly does; a map that looks at nothing never does, so the baselines "
        "are no measure here",
    ),
)


def method_name(method: str) -> str:
    """Return what to call a method on a page."""
    return NAMES.get(method, method.replace("_", " "))


def evidence(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a page shows of explanations.json; every part is empty where the table has nothing for it.

    "findings": names; "columns": the measures that were taken; "blocks": all devices first, then each, with rows of
    cells; "notes": the reasons of missing numbers; "verdicts" and "checks": sentences; "size": a sentence; "problems".
    """
    methods = table.get("methods") or {}
    columns = [column for column in COLUMNS if _is_measured(methods, column.name)]
    devices = sorted({device for measured in methods.values() for device in measured.get("by_device") or {}})
    notes = Footnotes()
    blocks = [_block("all devices", methods, columns, notes)]
    for device in devices if len(devices) > 1 else ():
        here = {name: (measured.get("by_device") or {}).get(device) or {} for name, measured in methods.items()}
        blocks.append(_block(device, here, columns, notes))
    findings = [part["finding"] for part in blocks[0]["parts"]]
    return {
        "findings": findings,
        "columns": [{**column._asdict(), "arrow": "↑" if HIGHER_IS_BETTER[column.name] else "↓"} for column in columns],
        "blocks": blocks if findings else [],
        "notes": notes.reasons,
        "verdicts": [_verdict(finding, methods, columns) for finding in findings],
        "checks": [sentence for name, measured in methods.items() for sentence in _checks(name, measured)],
        "size": _size(table),
        "problems": [str(problem) for problem in table.get("problems") or []],
    }


def _is_measured(methods: Mapping[str, Any], name: str) -> bool:
    found = [part for measured in methods.values() for part in (measured.get("findings") or {}).values()]
    return any(interval(part, (name,)).value is not None for part in found)


def _block(device: str, methods: Mapping[str, Any], columns: list[Column], notes: Footnotes) -> dict[str, Any]:
    findings = dict.fromkeys(name for measured in methods.values() for name in measured.get("findings") or {})
    # The baselines last, so that they stand apart beneath what they are compared with.
    ordered = sorted(methods, key=lambda method: method in BASELINES)
    return {
        "device": device,
        "parts": [
            {
                "finding": finding,
                "rows": [
                    _row(methods, method, finding, columns, notes)
                    for method in ordered
                    if finding in (methods[method].get("findings") or {})
                ],
            }
            for finding in findings
        ],
    }


def _row(methods: Mapping, method: str, finding: str, columns: list[Column], notes: Footnotes) -> dict[str, Any]:
    measured = methods[method]["findings"][finding]
    numbers: list[Cell] = cells(measured, [(column.heading, (column.name,)) for column in columns], notes)
    marks = [_mark(methods, method, finding, column.name) for column in columns]
    return {
        "name": method_name(method),
        "baseline": method in BASELINES,
        "n_frames": measured.get("n_frames"),
        "cells": list(zip(numbers, marks, strict=True)),
    }


def _mark(methods: Mapping[str, Any], method: str, finding: str, name: str) -> str | None:
    has = interval(methods[method]["findings"].get(finding), (name,)).has_bounds
    return against_baselines(methods, method, finding, name) if has else None


def _verdict(finding: str, methods: Mapping[str, Any], columns: list[Column]) -> str:
    """Say of a finding which methods show more than maps that look at nothing, and in how many measures."""
    compared = [column.name for column in columns if column.name != "max_sensitivity"]
    told = []
    for method in methods:
        if method in BASELINES or finding not in (methods[method].get("findings") or {}):
            continue
        measured = methods[method]["findings"][finding]
        known = [name for name in compared if interval(measured, (name,)).has_bounds]
        better = sum(_mark(methods, method, finding, name) == "better" for name in known)
        if known:
            told.append((better, len(known), method_name(method)))
    if not told or not any(baseline in methods for baseline in BASELINES):
        return f"{finding}: no method and baseline with intervals, so nothing can be said."
    told.sort(key=lambda row: -row[0])
    (better, of, first), *rest = told
    others = [f"{name} in {won or 'none'} of {known}" for won, known, name in rest]
    beating = f"{first} beats both a random map and a centred blob in {better or 'none'} of {of} measures"
    return f"{finding}: {', '.join([beating, *others])}."


def _checks(method: str, measured: Mapping[str, Any]) -> list[str]:
    """Say what the randomisation test and the completeness of a method gave, where they were made."""
    told = []
    tests = measured.get("randomisation") or {}
    for finding, test in {"": tests}.items() if "stages" in tests else tests.items():
        told.append(_randomisation(f"{method_name(method)}{f', {finding}' if finding else ''}", test))
    gap = interval(measured, ("completeness_gap",))
    if gap.value is not None:
        share = f"{100 * gap.value:.1f} %"
        told.append(f"{method_name(method)}: {share} of what the maps should explain is missing (completeness gap).")
    return told


def _randomisation(name: str, test: Mapping[str, Any]) -> str:
    stages = list((test.get("stages") or {}).values())
    last = interval({"last": stages[-1] if stages else None}, ("last",))
    span = f" ({last.low:.2f} to {last.high:.2f})" if last.has_bounds else ""
    alike = f", rank correlation {last.value:.2f}{span}" if last.value is not None else ""
    if test.get("passes") is None:
        return f"{name}: the randomisation test says nothing{alike}: {test.get('reason') or 'not measured'}."
    if test["passes"]:
        return f"{name}: passes the randomisation test; without what the model has learned the maps are others{alike}."
    return f"{name}: fails the randomisation test; the maps stay alike without what the model has learned{alike}."


def _size(table: Mapping[str, Any]) -> str:
    frames, without = table.get("n_frames"), table.get("without_truth")
    if frames is None:
        return ""
    missing = f"; for {without:,} of them no true region is known" if isinstance(without, int) and without else ""
    return f"Measured on {frames:,} frame{'' if frames == 1 else 's'}{missing}."
