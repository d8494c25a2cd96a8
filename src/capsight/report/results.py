"""What every test leaves: predictions, embeddings, trust.json, metrics.json, report.html, and a table to look at.

A run that is tested on its own frames gets its model card and its checklist too.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from capsight.evaluation.metrics import measure, write_metrics
from capsight.evaluation.trust import Trust, calibrate, fit_trust, uncalibrated
from capsight.evaluation.trust.likeness import fit_likeness
from capsight.files import write_json, write_result
from capsight.inference.predict import write_predictions
from capsight.inference.reference import Predicted, Reference, add_likeness
from capsight.learning.adapting import adapted_to
from capsight.learning.run import Run
from capsight.learning.training import read_history
from capsight.notice import NOTICE
from capsight.report.card.card import write_model_card
from capsight.report.report import write_report
from capsight.report.tables import print_metrics
from capsight.report.words import listed


def write_results(
    out: str | Path,
    run: Run,
    test: Predicted,
    reference: Reference,
    *,
    trust: dict,
    root: str,
    skipped: list[str],
    page: bool = True,
) -> dict:
    """Write the files of a test into `out`, print the table, and return the metrics.

    run: for an ensemble, its first member. trust: the settings of that group. page: whether report.html is wanted.
    """
    out, findings, adapted = Path(out), run.findings, adapted_to(run)
    known = {*run.frames("train")["device"].dropna(), *([adapted["device"]] if adapted else [])}
    unseen = sorted(set(test.table["device"].dropna()) - known)
    for name in ("metrics.json", "skipped.json"):  # of an earlier test; they come back when this one has them
        (out / name).unlink(missing_ok=True)

    training = fit_likeness(reference.training.embeddings)
    predictions, validation, outsiders = (
        add_likeness(part, training, findings) for part in (test, reference.validation, reference.outsiders)
    )
    fitted = fit_trust(validation, findings, **{name: trust[name] for name in ("targets", "coverage", "missed")})
    predictions, thresholds = calibrate(predictions, fitted, trust["calibration"])
    write_result(fitted, out / "trust.json")
    write_predictions(out, predictions, test.embeddings)
    if skipped:
        write_json({"skipped": skipped}, out / "skipped.json")
    settings = {"findings": findings, "thresholds": thresholds, "trust": Trust(fitted, validation, outsiders)}
    metrics = _measure(predictions, test.embeddings, unseen, settings)
    told, warnings = describe(run, unseen, skipped), tested_frames(run, predictions, skipped)
    if page:
        write_report(
            out / "report.html",
            predictions=predictions,
            embeddings=test.embeddings,
            metrics=metrics,
            run=told,
            root=root,
            warnings=[*warnings, *_on_trust(predictions, fitted, trust)],
        )
    # Last: its presence says that the test is complete.
    write_metrics(metrics | {"notice": NOTICE}, out / "metrics.json")
    if out.resolve() == run.dir.resolve():
        write_model_card(run, metrics, told, warnings)
    print_metrics(metrics, unseen_devices=unseen)
    if page:
        Console().print(f"report: {(out / 'report.html').resolve()}", highlight=False, soft_wrap=True)
    return metrics


def _measure(predictions: pd.DataFrame, embeddings: np.ndarray, unseen: list[str], settings: dict) -> dict:
    """Measure all frames, each device, and, where some devices were never trained on, the others together."""
    metrics = measure(predictions, embeddings, **settings)
    seen = ~predictions["device"].isin(unseen).to_numpy(dtype=bool)
    if seen.any() and not seen.all():
        metrics["seen_devices"] = measure(predictions[seen].reset_index(drop=True), embeddings[seen], **settings)
        del metrics["seen_devices"]["by_device"]
    return metrics


def tested_frames(run: Run, predictions: pd.DataFrame, skipped: list[str]) -> list[str]:
    """Say what makes the numbers too good, or not those of all frames."""
    warnings = []
    used = run.manifest[run.manifest["split"].isin(["train", "val", "adapt"])]
    leaks = pd.concat([predictions[name].isin(used[name].dropna()) for name in ("path", "video", "patient")], axis=1)
    if leaking := int(leaks.any(axis=1).sum()):
        warnings.append(
            f"{leaking:,} of {len(predictions):,} test frames are of patients or videos that were used in training, "
            "validation or adaptation: the numbers are too good."
        )
    if skipped:
        warnings.append(
            f"{len(skipped):,} frames could not be read and were left out ({', '.join(skipped[:3])}"
            f"{', …' if len(skipped) > 3 else ''}); all are listed in skipped.json."
        )
    return warnings


def _on_trust(predictions: pd.DataFrame, fitted: dict, trust: dict) -> list[str]:
    """Say what was asked for and could not be had."""
    warnings = []
    if trust["passes"] and not predictions.columns.str.startswith("mutual_information_").any():
        warnings.append(
            "The model was trained without dropout, so no dropout passes tell how sure it is; train it with "
            "model.dropout above 0, or evaluate several runs together."
        )
    if left_out := uncalibrated(fitted, trust["calibration"]):
        warnings.append(
            f"The probabilities of {listed(left_out)} are not calibrated, because {trust['calibration']} scaling could "
            "not be fitted to the validation frames."
        )
    return warnings


def describe(run: Run, unseen: list[str], skipped: list[str]) -> dict:
    """Say what was trained on what, for the report."""
    config, training, validation = run.config, run.frames("train"), run.frames("val")
    return run.facts() | {
        "title": config.title,
        "backbone": config.model.backbone,
        "findings": run.findings,
        "image_size": config.data.image_size,
        "objective": config.model.loss.objective,
        "epochs": config.trainer.max_epochs,
        "seed": config.seed,
        "split": config.data.split.by,
        "n_train_frames": len(training),
        "n_train_patients": training["patient"].nunique(),
        "train_devices": sorted(training["device"].dropna().unique()),
        "validation_devices": sorted(validation["device"].dropna().unique()),
        "n_validation_frames": len(validation),
        "n_validation_patients": validation["patient"].nunique(),
        "unseen_devices": unseen,
        "adapted_to": adapted_to(run),
        "skipped_frames": skipped,
        "history": read_history(run),
    }
