"""The results of a run as tables of the model card: the numbers of metrics.json and trust.json, none of its own."""

from typing import Any

from capsight.report.card.markdown import table
from capsight.report.tables import Interval, interval, measured_columns, positive_of_all


def results(measured: dict[str, Any]) -> str:
    """Return a table of a block of metrics.json: a row per finding, each number with its 95 % interval."""
    findings = measured.get("findings") or {}
    columns = measured_columns(findings)
    headings = ["Finding", "Frames with it", *(" ".join(heading.split()) for heading, _ in columns)]
    rows = [
        [name, positive_of_all(numbers), *(number(interval(numbers, path)) for _, path in columns)]
        for name, numbers in findings.items()
    ]
    return table(headings, rows)


def number(found: Interval) -> str:
    """Return "0.812 (0.750 to 0.861)", without the bounds where there are none."""
    if found.value is None:
        return "–"
    return f"{found.value:.3f}" + (f" ({found.low:.3f} to {found.high:.3f})" if found.has_bounds else "")


def reasons(measured: dict[str, Any]) -> list[str]:
    """Say why numbers of a block have no value or no interval, once each."""
    findings = measured.get("findings") or {}
    told = {}
    for name, numbers in findings.items():
        for _, path in measured_columns(findings):
            if reason := interval(numbers, path).reason:
                told[f"{name}: {reason}"] = None
    return list(told)


def decisions(metrics: dict[str, Any], method: str) -> str:
    """Return a table of thresholds and of how far probabilities can be believed, with and without calibration.

    method: the calibration that the run used, "none" for none.
    """
    methods = list(dict.fromkeys(["none", method]))
    headings = ["Finding", "Threshold", *(f"Calibration error, {_named(name)}" for name in methods)]
    rows = []
    for finding, numbers in (metrics.get("findings") or {}).items():
        errors = (interval(metrics, ("calibration", finding, name, "ece")) for name in methods)
        threshold = numbers.get("threshold")
        rows.append([finding, None if threshold is None else f"{threshold:.3f}", *map(number, errors)])
    return table(headings, rows)


def _named(method: str) -> str:
    return "as the network says it" if method == "none" else f"after {method} scaling"
