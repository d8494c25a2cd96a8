"""From the measures of single maps to explanations.json: means with intervals, next to the baselines."""

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from capsight.evaluation.bootstrap import Interval, Patients, draw_patients, interval, nothing, why_no_interval
from capsight.evaluation.metrics import UNKNOWN_DEVICE

BASELINES = ("random", "centre")
# What is measured of a map, and whether more is better.
HIGHER_IS_BETTER = {
    "pointing_game": True,
    "energy_inside": True,
    "best_iou": True,
    "deletion_auc": False,
    "insertion_auc": True,
    "infidelity": False,
    "max_sensitivity": False,
}
LOCALISATION = ("pointing_game", "energy_inside", "best_iou")
NO_REGION = "no frame with a known region"
NOT_MEASURED = "not measured"


def measure_explanations(maps: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> dict[str, dict]:
    """Measure the maps of each method, finding and device; returns "methods" of explanations.json.

    maps: one row per frame, method and finding: path, patient, device, method, finding, and the measures (columns of
    HIGHER_IS_BETTER), NaN where unknown. Every number is the mean over the frames where it is known, with their number
    as its own "n_frames" and an interval from resampling patients; all methods are measured under the same draws.
    """
    devices = maps["device"].astype("string").fillna(UNKNOWN_DEVICE)
    whole = _measure_findings(maps, resamples, seed)
    parts = {name: _measure_findings(maps[devices == name], resamples, seed) for name in sorted(devices.unique())}
    return {
        method: {
            "findings": findings,
            "by_device": {name: {"findings": part[method]} for name, part in parts.items() if method in part},
        }
        for method, findings in whole.items()
    }


def _measure_findings(maps: pd.DataFrame, resamples: int, seed: int) -> dict[str, dict[str, dict]]:
    """Return each method's blocks by finding."""
    blocks: dict[str, dict[str, dict]] = {}
    for finding, rows in maps.groupby("finding", sort=False):
        patients = draw_patients(rows["patient"], resamples, seed)
        for method, places in rows.groupby("method", sort=False).indices.items():
            drawn = patients._replace(group=patients.group[places])
            blocks.setdefault(method, {})[finding] = _measure(rows.iloc[places], drawn)
    return blocks


def _measure(rows: pd.DataFrame, patients: Patients) -> dict:
    missing = pd.Series(np.nan, index=rows.index)
    return {"n_frames": len(rows)} | {
        name: mean_interval(
            rows.get(name, missing).to_numpy(float, na_value=np.nan),
            patients,
            NO_REGION if name in LOCALISATION else NOT_MEASURED,
        )
        for name in HIGHER_IS_BETTER
    }


def mean_interval(values: np.ndarray, patients: Patients, unknown: str = NOT_MEASURED) -> Interval:
    """Return the mean of the values (n,) that are finite, its interval, and their number as "n_frames".

    Without any, all is null and `unknown` is the reason.
    """
    known = np.isfinite(values)
    if not known.any():
        return nothing(unknown) | {"n_frames": 0}
    group, n_groups = patients.group[known], patients.weights.shape[1]
    reason = why_no_interval(patients.n_known, group)
    weights = patients.weights[:1] if reason else patients.weights
    total, count = (weights @ np.bincount(group, of, n_groups) for of in (values[known], None))
    mean = np.divide(total, count, out=np.full(len(weights), np.nan), where=count > 0)
    return interval(mean, reason) | {"n_frames": int(known.sum())}


def against_baselines(methods: dict[str, dict], method: str, finding: str, name: str) -> str | None:
    """Say whether a method is "better" than both baselines, "worse" than one of them, or neither (None).

    It is where the intervals do not overlap. The centred blob never changes, so that all are worse in the sensitivity
    to noise: nothing is said there.
    """
    if method in BASELINES or name == "max_sensitivity":
        return None
    own = methods[method]["findings"][finding][name]
    blocks = [methods[baseline]["findings"].get(finding) for baseline in BASELINES if baseline in methods]
    baselines = [block[name] for block in blocks if block]
    if not baselines or any(number["low"] is None for number in (own, *baselines)):
        return None
    above = [own["low"] > baseline["high"] for baseline in baselines]
    below = [own["high"] < baseline["low"] for baseline in baselines]
    better, worse = (above, below) if HIGHER_IS_BETTER[name] else (below, above)
    return "better" if all(better) else "worse" if any(worse) else None


# A terminal has 80 columns; the other numbers stand in the gallery.
TERMINAL = {
    "pointing_game": "Pointing\ngame ↑",
    "energy_inside": "Energy\ninside ↑",
    "best_iou": "Best\nIoU ↑",
    "deletion_auc": "Deletion\nAUC ↓",
    "insertion_auc": "Insertion\nAUC ↑",
}
MARKS = {"better": "▲ ", "worse": "▼ ", None: ""}


def print_explanations(methods: dict[str, dict], console: Console | None = None) -> None:
    """Print the main measures of every method and finding, marked where a method differs from the baselines."""
    console = console or Console()
    table = Table(
        box=box.SIMPLE_HEAD,
        title="Maps, with 95 % intervals",
        title_justify="left",
        title_style="bold",
        padding=(0, 1, 0, 0),
    )
    table.add_column("Method", overflow="fold")
    for heading in TERMINAL.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for finding in dict.fromkeys(finding for numbers in methods.values() for finding in numbers["findings"]):
        table.add_section()
        table.add_row(Text(finding, style="bold"))
        for method in sorted(methods, key=lambda name: name in BASELINES):
            measured = methods[method]["findings"].get(finding)
            if measured:
                marks = {name: against_baselines(methods, method, finding, name) for name in TERMINAL}
                table.add_row(Text(method), *(_cell(measured[name], marks[name]) for name in TERMINAL))
    console.print(table)
    gap = methods.get("integrated_gradients", {}).get("completeness_gap", {}).get("value")
    if gap is not None:
        console.print(f"Integrated gradients leave {gap:.1%} of the change in the logit unexplained.", highlight=False)
    console.print("▲ better than both baselines, ▼ worse than one: the intervals do not overlap.", highlight=False)
    shown = [of[name] for numbers in methods.values() for of in numbers["findings"].values() for name in TERMINAL]
    if reasons := dict.fromkeys(number["reason"] for number in shown if "reason" in number):
        console.print(f"What is missing: {'; '.join(reasons)}.", markup=False, highlight=False)


def _cell(number: Interval, mark: str | None) -> Text:
    if number["value"] is None:
        return Text("–")
    bounds = "" if number["low"] is None else f"\n{number['low']:.2f}–{number['high']:.2f}"
    return Text(f"{MARKS[mark]}{number['value']:.2f}{bounds}", style="bold" if mark == "better" else "")
