"""One HTML page about a tested model: no network, no script, one file to send to somebody."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from capsight.errors import UserError
from capsight.evaluation.predictions import check_predictions
from capsight.progress import track
from capsight.report import sections, words
from capsight.report.pages import write_page
from capsight.report.pictures import galleries
from capsight.report.tables import Footnotes
from capsight.report.trust.section import trust


def write_report(
    out_file: str | Path,
    *,
    predictions: pd.DataFrame,
    embeddings: np.ndarray | None,
    metrics: dict,
    run: dict[str, Any],
    root: str | Path | None = None,
    warnings: Sequence[str] = (),
) -> None:
    """Write the report of a test as one HTML file that needs no network.

    predictions: one row per frame (path, patient, video, device; label_F, logit_F and probability_F for each
    finding F); embeddings: (n, d) in the same order, or None; metrics: the content of metrics.json; run: what
    is known about the training, every key of it optional; root: the folder of the frames, None for a page
    without pictures; warnings: sentences to show on top, beside those that follow from the tables.
    Raises UserError where the tables do not belong together or the file cannot be written.
    """
    _check(predictions, embeddings, metrics)
    predictions, metrics = predictions.reset_index(drop=True), words.unseen_last(run, metrics)
    # Where a device was never trained on, the headline numbers are those of the others; it has its own rows.
    main, over = {**metrics, **metrics.get("seen_devices", {})}, words.over(metrics)
    unseen = words.unseen_devices(run, metrics) if "seen_devices" in metrics else []
    parts = {
        "forest": lambda: sections.forest(run, main),
        "trust": lambda: trust(run, metrics),
        "roc": lambda: sections.roc(predictions[~predictions["device"].isin(unseen)], main),
        "map": lambda: sections.embedding_map(predictions, embeddings, run, metrics),
        "galleries": lambda: galleries(predictions, metrics, root) if root is not None else [],
        "training": lambda: sections.training(run.get("history") or []),
    }
    pictures = {name: draw() for name, draw in track(parts.items(), "Writing the report")}
    device_notes = Footnotes()
    write_page(
        out_file,
        "report.html.j2",
        title=run.get("title") or run.get("experiment") or "Test report",
        summary=words.trained_and_tested(run, metrics),
        unseen=words.on_unseen_devices(run, main),
        over=over,
        means=words.means(main),
        warnings=list(dict.fromkeys([*warnings, *words.loud_warnings(run, metrics, predictions)])),
        headlines=sections.headlines(main),
        frames_used=sections.frames_used(run, metrics),
        skipped=sections.skipped(run),
        table=sections.findings_table(main),
        devices=sections.device_table(run, metrics, device_notes),
        device_notes=device_notes.reasons,
        reproduce=sections.reproduce(run),
        config=run.get("config"),
        **pictures,
    )


def _check(predictions: pd.DataFrame, embeddings: np.ndarray | None, metrics: dict) -> None:
    findings = list(metrics.get("findings") or {})
    if not findings:
        raise UserError("the metrics name no finding; measure the predictions first.")
    check_predictions(predictions, findings, embeddings)
    needed = ["path", "video", *(f"probability_{finding}" for finding in findings)]
    if missing := [column for column in needed if column not in predictions]:
        raise UserError(f"the predictions table lacks the columns {', '.join(missing)}; predict again.")
