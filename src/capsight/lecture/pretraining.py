"""Pretraining and transfer: what frames without labels are worth where few patients are labelled."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from capsight.data.manifest import finding_columns, read_manifest
from capsight.data.phantom import FINDINGS
from capsight.data.splits import split_by_patient
from capsight.errors import UserError
from capsight.lecture.drawn_frames import drawn_frames, read_images
from capsight.lecture.fine_tuning import FineTuning
from capsight.lecture.label_efficiency import Logits, draw_labelled, label_efficiency
from capsight.lecture.label_pictures import draw_label_efficiency
from capsight.lecture.unlabelled import denoising_encoder, time_encoder

SETTINGS = {"lr": 3e-3, "weight_decay": 0.05}
SIDES = ("train", "val", "test")


def pretraining(
    out: Path,
    *,
    seed: int,
    trainer: dict,
    manifest: str | None = None,
    root: str = "phantom/lecture",
    findings: Sequence[str] = FINDINGS,
    phantom: dict | None = None,
    image_size: int = 48,
    features: int = 128,
    noise: float = 0.3,
    reach: int = 4,
    gap: int = 30,
    margin: float = 0.2,
    labelled: Sequence[int] = (4, 8, 16),
    draws: int = 3,
    steps: int = 150,
    rates: Sequence[float] = (1e-3, 3e-3, 1e-2),
    batch_size: int = 32,
    optimiser: dict | None = None,
) -> dict:
    """Fine-tune a small network on few labelled patients, from random weights and after two kinds of pretraining.

    Both see all frames of the training patients, without labels: a denoising autoencoder (`noise`), and time-coherence,
    where frames at most `reach` apart in a video are alike, and frames more than `gap` apart or of two videos are not.
    trainer, optimiser: of these two. Then every start is fine-tuned for `steps` steps on as many patients as `labelled`
    says, and on all, for `draws` draws of the patients. Its learning rate is the one of `rates` with the highest mean
    AUROC on the validation patients, for each start and number of patients by itself.

    The frames are the phantom's (root, phantom: see `drawn_frames`), or those of the file `manifest` below `root`.
    Returns AUROCs on the test patients, and how much higher they are than from random weights.
    """
    if not labelled or not rates or min(*labelled, draws, steps) < 1:
        raise UserError("lesson.labelled, rates, draws and steps: there must be at least one of each.")
    if image_size < 16 or image_size % 16:
        raise UserError(f"lesson.image_size={image_size} is not possible; choose a multiple of 16.")
    table = _split_table(manifest, root, findings, phantom)
    orders = draw_labelled(table, findings, labelled, draws, seed)
    images = read_images(table, root, image_size)
    optimiser = SETTINGS | (optimiser or {})

    rows = {side: np.flatnonzero(table["split"] == side) for side in SIDES}
    unlabelled = {side: (images[rows[side]], table.iloc[rows[side]]) for side in ("train", "val")}
    shared = {"features": features, "optimiser": optimiser, "seed": seed, "trainer": trainer}
    # Time-coherence first: it is the one that a manifest may not have what it needs for.
    coherent = time_encoder(unlabelled, reach=reach, gap=gap, margin=margin, out=out / "time_coherence", **shared)
    denoising = denoising_encoder(unlabelled, noise=noise, batch_size=64, out=out / "denoising", **shared)
    starts = {"random_weights": None, "denoising": denoising, "time_coherence": coherent}
    tune = FineTuning(images, table, findings, steps=steps, rates=rates, batch_size=batch_size, **shared)
    logits, chosen = {name: {} for name in starts}, {name: {} for name in starts}
    for name, start in starts.items():
        for size in sorted({*labelled, len(orders[0])}):
            patients = [order[:size] for order in orders]
            logits[name][size], chosen[name][str(size)] = tune(start, patients, out=out / name / f"patients_{size}")

    test = table.iloc[rows["test"]]
    numbers = label_efficiency(test, findings, logits, seed=seed)
    draw_label_efficiency(out / "pretraining.png", numbers)
    return {
        "n_patients": {side: table.iloc[rows[side]]["patient"].nunique() for side in SIDES},
        "n_frames": {side: len(rows[side]) for side in SIDES},
        "learning_rate": chosen,
        **numbers,
        "by_device": _by_device(test, findings, logits, seed),
    }


def _split_table(manifest: str | None, root: str, findings: Sequence[str], phantom: dict | None) -> pd.DataFrame:
    """Read, or draw, and split by patient. UserError for a finding that is not there."""
    table = drawn_frames(root, phantom) if manifest is None else read_manifest(manifest)
    if not findings or not set(findings) <= set(finding_columns(table)):
        has = ", ".join(finding_columns(table))
        raise UserError(f"lesson.findings={list(findings)} is not possible; choose one or more of {has}.")
    if manifest is not None:
        table["split"] = split_by_patient(table, findings)
    return table[table["split"].isin(SIDES)].reset_index(drop=True)


def _by_device(test: pd.DataFrame, findings: Sequence[str], logits: Logits, seed: int) -> dict:
    """Measure each device by itself where there are several: who tells devices apart is not better for it."""
    numbers = {}
    for device in test["device"].dropna().unique():
        rows = np.flatnonzero(test["device"] == device)
        of_device = {
            start: {size: [draw[rows] for draw in draws] for size, draws in sizes.items()}
            for start, sizes in logits.items()
        }
        numbers[device] = label_efficiency(test.iloc[rows], findings, of_device, seed=seed)
    return numbers if len(numbers) > 1 else {}
