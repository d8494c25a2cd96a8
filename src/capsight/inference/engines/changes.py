"""What an engine changes: every number of metrics.json on the validation frames, by PyTorch in float32 and by it."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from capsight.evaluation.changes import NUMBERS, changes
from capsight.inference.engines.base import Engine
from capsight.inference.predict import predict
from capsight.learning.frame_learner import FrameLearner
from capsight.learning.run import Run

SHORT = {"auroc": "AUROC", "average_precision": "AP", "f1": "F1", "mcc": "MCC"}


def measure_changes(run: Run, learner: FrameLearner, engine: Engine, root: str | Path, **reading) -> dict:
    """Return {"n_frames", "findings": {F: {NUMBER: {"before", "after", "change"}}}} on the run's validation frames.

    Before is PyTorch's, after the engine's, and the change has an interval over patients (`evaluation.changes`).
    reading: workers and on_bad_frame of `predict`. A number that the frames do not support is null, as in metrics.json.
    """
    settings = {"image_size": run.config.data.image_size, **reading}
    before, _, _ = predict(learner, run.frames("val"), root, precision="fp32", **settings)
    after, _, _ = predict(learner, run.frames("val"), root, engine=engine, **settings)
    found = changes(before, after, run.findings, thresholds=run.trust()["thresholds"])
    return {"n_frames": len(before), "split": "val", "findings": found}


def print_changes(changed: dict, title: str) -> None:
    """Print the changes as a table, a column per finding: the change, and below it the interval over patients."""
    findings = changed["findings"]
    table = Table(
        title=f"{title}: change on {changed['n_frames']:,} validation frames (95 % over patients)", title_justify="left"
    )
    table.add_column("", no_wrap=True)
    for finding in findings:
        table.add_column(finding, justify="right", no_wrap=True)
    for name in NUMBERS:
        shown = SHORT.get(name, name.replace("_specificity_", " specificity ").replace("_", " "))
        table.add_row(shown, *(_cell(numbers[name]["change"]) for numbers in findings.values()))
    Console(width=max(80, 40 + sum(3 + max(18, len(finding)) for finding in findings))).print(table)


def _cell(change: dict) -> str:
    if change["value"] is None:
        return f"–\n{change['reason']}"
    bounds = change["reason"] if change["low"] is None else f"{change['low']:+.4f} to {change['high']:+.4f}"
    return f"{change['value']:+.4f}\n{bounds}"
