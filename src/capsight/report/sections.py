"""What each section of the report shows: plain lists and texts for the template, pictures as data URIs."""

from typing import Any

import numpy as np
import pandas as pd

from capsight.evaluation.curves import roc_band
from capsight.learning.waiting import LOGGED
from capsight.report import plots, words
from capsight.report.embedding import flatten, groupings
from capsight.report.tables import Footnotes, cells, counted, interval, measured_columns, positive_of_all

ORDER = ("experiment", "backbone", "image_size", "findings", "objective", "epochs", "seed", "split", "commit")
ELSEWHERE = ("title", "config", "history", "skipped_frames", "train_devices", "unseen_devices", "adapted_to")


def headlines(metrics: dict) -> list[dict[str, Any]]:
    """Return the main numbers of each finding in words, with the finding's colour."""
    return [
        {"name": name, "colour": plots.finding_colour(index), **words.headline(name, measured)}
        for index, (name, measured) in enumerate((metrics.get("findings") or {}).items())
    ]


def frames_used(run: dict, metrics: dict) -> list[dict[str, Any]]:
    """Return what is known about the frames of training, validation and test, one row each."""
    train, validation = (
        (run.get(f"n_{part}_frames"), run.get(f"n_{part}_patients")) for part in ("train", "validation")
    )
    rows = [
        ("Training", *train, words.listed(run.get("train_devices") or ["–"])),
        ("Validation", *validation, words.listed(run.get("validation_devices") or ["–"])),
        ("Test (this report)", metrics.get("n_frames"), metrics.get("n_patients"),
         words.listed(list(metrics.get("by_device") or ["–"]))),
    ]  # fmt: skip
    names = ("name", "frames", "patients", "devices")
    return [dict(zip(names, row, strict=True)) for row in rows if row[1] is not None]


def skipped(run: dict) -> int:
    """Return how many frames could not be read; `skipped_frames` is their number or their paths."""
    frames = run.get("skipped_frames") or 0
    return frames if isinstance(frames, int) else len(frames)


def findings_table(metrics: dict, footnotes: Footnotes | None = None) -> dict[str, Any]:
    """Return the headings, one row per finding, and the footnotes, which several tables may share."""
    footnotes = footnotes or Footnotes()
    findings = metrics.get("findings") or {}
    columns = measured_columns(findings)
    rows = [
        {
            "name": name,
            "colour": plots.finding_colour(index),
            "count": positive_of_all(measured),
            "patients": counted(measured["n_patients_positive"], "patient")
            if measured.get("n_patients_positive")
            else "",
            "threshold": measured.get("threshold"),
            "cells": cells(measured, columns, footnotes),
        }
        for index, (name, measured) in enumerate(findings.items())
    ]
    return {"columns": [heading for heading, _ in columns], "rows": rows, "notes": footnotes.reasons}


def device_table(run: dict, metrics: dict, footnotes: Footnotes) -> list[dict[str, Any]]:
    """Return one block per device: its name, its size, whether it was in training, and its table."""
    unseen = words.unseen_devices(run, metrics)
    return [
        {
            "name": name,
            "unseen": name in unseen,
            "size": words.frames_of(device.get("n_frames"), device.get("n_patients")),
            "table": findings_table(device, footnotes),
        }
        for name, device in (metrics.get("by_device") or {}).items()
    ]


def forest(run: dict, metrics: dict) -> str | None:
    """Return the AUROC of every finding, over all devices and on each, as one picture."""
    devices, unseen = metrics.get("by_device") or {}, words.unseen_devices(run, metrics)
    rows = []
    for index, (finding, measured) in enumerate((metrics.get("findings") or {}).items()):
        colour = plots.finding_colour(index)
        rows.append(_forest_row(finding, measured, colour, overall=True, unseen=False))
        for device, numbers in devices.items() if len(devices) > 1 else ():
            here = (numbers.get("findings") or {}).get(finding)
            if here is not None:
                label = f"{plots.shorten(device, 24)}, not in training" if device in unseen else device
                rows.append(_forest_row(label, here, colour, overall=False, unseen=device in unseen))
    return plots.data_uri(plots.forest(rows)) if rows else None


def _forest_row(label: str, measured: dict, colour: str, *, overall: bool, unseen: bool) -> plots.ForestRow:
    auroc = interval(measured, ("auroc",))
    count = positive_of_all(measured)
    return plots.ForestRow(label, count, auroc.value, auroc.low, auroc.high, auroc.reason, colour, overall, unseen)


def roc(predictions: pd.DataFrame, metrics: dict) -> str | None:
    """Return the ROC curves of the findings that have one as one picture."""
    panels = []
    for index, (finding, measured) in enumerate((metrics.get("findings") or {}).items()):
        number = interval(measured, ("auroc",))
        if number.value is None:
            continue
        bounds = f"{number.low:.2f} to {number.high:.2f}" if number.has_bounds else "no interval"
        # More resamples would move the band by less than its line is wide.
        band = roc_band(predictions, finding, resamples=500)
        caption = f"AUROC {number.value:.2f}\n{bounds}"
        panels.append(plots.RocPanel(finding, caption, plots.finding_colour(index), band))
    return plots.data_uri(plots.roc_panels(panels)) if panels else None


def embedding_map(
    predictions: pd.DataFrame, embeddings: np.ndarray | None, run: dict, metrics: dict
) -> dict[str, Any] | None:
    """Return the embeddings on a plane, by finding and by device, and how it was made."""
    flat = flatten(embeddings) if embeddings is not None else None
    if flat is None:
        return None
    groups = groupings(
        predictions.iloc[flat.rows],
        list(metrics["findings"]),
        {
            name: f"{name} (not in training)" if name in words.unseen_devices(run, metrics) else name
            for name in metrics.get("by_device") or {}
        },
    )
    return {
        "picture": plots.data_uri(plots.embedding_map(flat.points, groups)),
        "method": flat.method,
        "shown": len(flat.rows),
        "of": len(predictions),
        "retrieval": words.retrieval(metrics.get("embedding") or {}),
    }


def training(history: list[dict]) -> str | None:
    """Return every quantity of the training history over the epochs as one picture."""
    epochs = [step.get("epoch", number) for number, step in enumerate(history)]
    names = [name for name in dict.fromkeys(key for step in history for key in step) if name not in ("epoch", *LOGGED)]
    series = {name: [step.get(name) for step in history] for name in names}
    return plots.data_uri(plots.training_curves(epochs, series)) if series and len(history) > 1 else None


def reproduce(run: dict) -> list[tuple[str, str]]:
    """Return name and text of what one needs to repeat the run: all that no other section shows."""
    names = sorted(run, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    return [
        (name.replace("_", " "), _text(run[name]))
        for name in names
        if run[name] not in (None, "", [], {}) and name not in ELSEWHERE and not name.startswith("n_")
    ]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else str(value)
