"""What an engine changes: every number of metrics.json on the validation frames, by PyTorch in float32 and by it."""

from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from capsight.evaluation.findings import SPECIFICITIES
from capsight.evaluation.metrics import measure
from capsight.inference.engines.base import Engine
from capsight.inference.predict import predict
from capsight.learning.frame_learner import FrameLearner
from capsight.learning.run import Run

NUMBERS = ("auroc", "average_precision", "f1", "balanced_accuracy", "mcc")
SHORT = {
    "auroc": "AUROC",
    "average_precision": "AP",
    "f1": "F1",
    "balanced_accuracy": "balanced accuracy",
    "mcc": "MCC",
}


def measure_changes(run: Run, learner: FrameLearner, engine: Engine, root: str | Path, **reading) -> dict:
    """Return {"n_frames", "findings": {F: {NUMBER: {"torch", "engine", "change"}}}} on the run's validation frames.

    reading: workers and on_bad_frame of `predict`. A number that the frames do not support is null, as in metrics.json.
    """
    settings = {"image_size": run.config.data.image_size, **reading}
    table, embeddings, _ = predict(learner, run.frames("val"), root, precision="fp32", **settings)
    its_table, its_embeddings, _ = predict(learner, run.frames("val"), root, engine=engine, **settings)
    before, after = _numbers(run, table, embeddings), _numbers(run, its_table, its_embeddings)
    changes = {
        finding: {name: _change(before[finding][name], after[finding][name]) for name in before[finding]}
        for finding in before
    }
    return {"n_frames": len(table), "split": "val", "findings": changes}


def _numbers(run: Run, table: pd.DataFrame, embeddings: np.ndarray) -> dict[str, dict[str, float | None]]:
    # One resample: the change between two engines on the same frames needs no interval.
    thresholds = run.trust()["thresholds"]
    metrics = measure(table, embeddings, findings=run.findings, thresholds=thresholds, resamples=1)
    return {finding: _values(block) for finding, block in metrics["findings"].items()}


def _values(block: dict) -> dict[str, float | None]:
    at = block["sensitivity_at_specificity"]
    sensitivities = {f"sensitivity_at_specificity_{target}": at[target]["value"] for target in SPECIFICITIES}
    return {name: block[name]["value"] for name in NUMBERS} | sensitivities


def _change(before: float | None, after: float | None) -> dict[str, float | None]:
    change = None if before is None or after is None else after - before
    return {"torch": before, "engine": after, "change": change}


def print_changes(changes: dict, title: str) -> None:
    """Print the changes as a table, a column per finding."""
    findings = changes["findings"]
    table = Table(title=f"{title}: change on {changes['n_frames']:,} validation frames", title_justify="left")
    table.add_column("", no_wrap=True)
    for finding in findings:
        table.add_column(finding, justify="right", no_wrap=True)
    for name in next(iter(findings.values())):
        cells = [numbers[name]["change"] for numbers in findings.values()]
        shown = SHORT.get(name, name.replace("_specificity_", " specificity ").replace("_", " "))
        table.add_row(shown, *("–" if cell is None else f"{cell:+.4f}" for cell in cells))
    Console(width=max(80, 40 + sum(3 + max(7, len(finding)) for finding in findings))).print(table)
