"""The model card of a run: what was trained on what, for whom, how good it is, and where it must not be believed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from capsight.data.audit import audit_manifest, describe
from capsight.files import atomic
from capsight.learning.run import Run, flat_settings
from capsight.notice import NOTICE
from capsight.report import words
from capsight.report.card.checklist import write_checklist
from capsight.report.card.claim import CLAIM
from capsight.report.card.frames import by_device, by_finding
from capsight.report.card.markdown import bullets, table, text
from capsight.report.card.results import decisions, reasons, results
from capsight.report.card.stard_ai import STARD_AI

USE = """\
For research on capsule endoscopy: to order the frames of a video so that a physician looks first where a finding is
likely, and to measure how well that works. A physician decides about every frame that counts.

Not for: a diagnosis, or the statement that a video shows nothing; findings that are not named here; other devices or
clinics, before it was measured there; live use during a procedure; children or other groups of patients whose share in
the data nobody has checked."""
COPIES = "Copies of frames and unreadable files were not looked for here; scripts/audit.py does that."
SETTINGS = ("data.image_size", "data.augmentation", "data.split", "data.batch", "model", "adaptation", "trainer")


def write_model_card(run: Run, metrics: dict[str, Any], told: dict[str, Any], warnings: Sequence[str] = ()) -> None:
    """Write model_card.md and checklist.md into a tested run. UserError where they cannot be written.

    metrics: the content of metrics.json; told: what `results.describe` says of the run; warnings: what makes its
    numbers too good.
    """
    _write(run.dir / "model_card.md", model_card(run, metrics, told, warnings))
    write_checklist(run.dir, (CLAIM, STARD_AI))


def model_card(run: Run, metrics: dict[str, Any], told: dict[str, Any], warnings: Sequence[str] = ()) -> str:
    """Return the model card as Markdown, in which every text from data is escaped."""
    metrics, config = words.unseen_last(told, metrics), run.config
    parts = {
        "Intended use": USE,
        "Training data": _data(run),
        "Results": _results(told, metrics),
        "Thresholds and calibration": _decisions(metrics, config.get("trust") or {}),
        "Limits": bullets(_limits(run, metrics, told, warnings)),
        "What the audit found": bullets([*_audited(run), COPIES]),
        "How it was trained": _training(run),
        "Versions": _versions(run.facts()),
    }
    title = text(told.get("title") or run.dir.name)
    head = [f"# Model card: {title}", f"**{NOTICE}**", text(words.trained_and_tested(told, metrics))]
    return "\n\n".join([*head, *(f"## {name}\n\n{part}" for name, part in parts.items())]) + "\n"


def _data(run: Run) -> str:
    known = "Unknown means that nobody looked, or nobody said; it is never taken for absent."
    return "\n\n".join([by_device(run.manifest), by_finding(run.manifest, run.findings), known])


def _results(told: dict, metrics: dict) -> str:
    """A table over all frames that count, and one for each device; those never trained on are named so."""
    main, unseen = {**metrics, **metrics.get("seen_devices", {})}, words.unseen_devices(told, metrics)
    blocks = [
        f"Over the test patients of {text(words.over(metrics))}, each number with its 95 % interval over patients."
    ]
    blocks += [results(main), text(words.means(main)), bullets(words.on_unseen_devices(told, main))]
    for device, measured in metrics["by_device"].items():
        head = f"### {text(device)}{', never trained on' if device in unseen else ''}"
        size = words.frames_of(measured.get("n_frames"), measured.get("n_patients"))
        blocks += [head, text(size), results(measured), bullets(reasons(measured))]
    return "\n\n".join(block for block in blocks if block)


def _decisions(metrics: dict, trust: dict) -> str:
    how = (
        "The thresholds were chosen on validation patients. The calibration error is the mean distance between a "
        "probability and how often it comes true (ECE), on the test patients of all devices, with its 95 % interval."
    )
    return f"{how}\n\n{decisions(metrics, trust.get('calibration') or 'none')}"


def _limits(run: Run, metrics: dict, told: dict, warnings: Sequence[str]) -> list[str]:
    devices = told.get("train_devices") or []
    limits = [*dict.fromkeys([*warnings, *words.loud_warnings(told, metrics, run.frames("test"))])]
    if devices:
        limits.append(f"Trained on {words.listed(devices)} alone; on another device it must be measured first.")
    else:
        limits.append("The devices of the training frames are unknown, so nothing is known about other devices.")
    unseen = words.on_unseen_devices(told, {**metrics, **metrics.get("seen_devices", {})})
    limits += unseen or ["How well it works on a device that it was not trained on was not measured."]
    if told.get("n_train_patients") == 0:
        limits.append("The patients of the training frames are unknown.")
    for finding in run.findings:
        if (metrics["findings"].get(finding) or {}).get("auroc", {}).get("value") is None:
            limits.append(f"How well it finds {finding} could not be measured.")
    limits.append("Age, sex, disease and preparation of the patients are not in the data: fairness was not measured.")
    return limits


def _audited(run: Run) -> list[str]:
    return [f"{level}: {line}" if level != "info" else line for level, line in describe(audit_manifest(run.manifest))]


def _training(run: Run) -> str:
    rows = [
        [name, value]
        for name, value in flat_settings(run.config).items()
        if name == "seed" or any(name == part or name.startswith(f"{part}.") for part in SETTINGS)
    ]
    chosen = "One model, no ensemble: of all epochs, the one with the best score on the validation patients."
    return f"{chosen} All settings stand in config.yaml.\n\n{table(['Setting', 'Value'], rows)}"


def _versions(facts: dict) -> str:
    rows = [*(facts.get("versions") or {}).items(), ("commit", facts.get("commit"))]
    return table(["What", "Version"], [*rows, ("manifest fingerprint", facts.get("manifest_fingerprint"))])


def _write(file: Path, content: str) -> None:
    with atomic(file) as temporary:
        temporary.write_text(content, encoding="utf-8", errors="replace", newline="\n")
