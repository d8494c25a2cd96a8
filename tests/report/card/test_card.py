"""The model card's numbers are those of metrics.json, and nothing from data is markup."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from capsight.evaluation.metrics import measure
from capsight.learning.run import Run
from capsight.notice import NOTICE
from capsight.report.card.card import model_card, write_model_card
from capsight.report.card.markdown import text

ODD = "<script>alert(1)</script>|[x](y)"
FINDINGS = ["polyp", ODD]
CONFIG = {
    "title": ODD, "seed": 3, "data": {"findings": FINDINGS, "image_size": 32, "split": {"by": "patient"}},
    "model": {"backbone": "resnet18"}, "trainer": {"max_epochs": 1}, "trust": {"calibration": "none"},
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    rng, rows = np.random.default_rng(0), []
    for device, sides in {"A": ("train", "val", "test"), ODD: ("test",)}.items():
        for side in sides:
            for number in range(6):
                person = f"{device}{side}{number}"
                rows += [(f"{person}/{i}.png", person, person, i, device, side) for i in range(8)]
    manifest = pd.DataFrame(rows, columns=["path", "patient", "video", "frame", "device", "split"]).convert_dtypes()
    manifest["polyp"] = pd.array(rng.integers(0, 2, len(rows)), dtype="Int8")
    manifest.loc[::7, "polyp"] = pd.NA
    manifest[ODD] = pd.array([0] * len(rows), dtype="Int8")
    manifest.loc[manifest.index[:8], ODD] = 1  # one patient of the training, none of the test
    facts = {"commit": "c0ffee", "versions": {"torch": "2.9"}, "manifest_fingerprint": "f00d"}
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    return Run(tmp_path, OmegaConf.create(CONFIG), manifest)


@pytest.fixture
def metrics(run):
    test, rng = (
        run.frames("test").rename(columns={name: f"label_{name}" for name in FINDINGS}),
        np.random.default_rng(1),
    )
    for name in FINDINGS:
        test[f"logit_{name}"] = test[f"label_{name}"].fillna(0).astype(float) + rng.normal(size=len(test))
        test[f"probability_{name}"] = 1 / (1 + np.exp(-test[f"logit_{name}"]))
    return measure(test, findings=FINDINGS, thresholds={"polyp": 0.625}, resamples=50)


TOLD = {
    "title": ODD, "backbone": "resnet18", "findings": FINDINGS, "n_train_frames": 48, "n_train_patients": 6,
    "train_devices": ["A"], "unseen_devices": [ODD], "split": "patient",
}  # fmt: skip


def rows_of(card, heading):
    part = card.split(f"\n{heading}\n")[1].split("\n#")[0]
    return [re.split(r" (?<!\\)\| ", line[2:-2]) for line in part.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize(
    "heading, device", [("## Results", None), ("### A", "A"), (f"### {text(ODD)}, never trained on", ODD)]
)
def test_the_results_are_those_of_metrics_json(run, metrics, heading, device):
    measured = metrics if device is None else metrics["by_device"][device]
    head, _, polyp, odd = rows_of(model_card(run, metrics, TOLD), heading)
    auroc = measured["findings"]["polyp"]["auroc"]
    told = f"{auroc['value']:.3f} ({auroc['low']:.3f} to {auroc['high']:.3f})"
    assert polyp[head.index("AUROC")] == told
    found = measured["findings"]["polyp"]["sensitivity_at_specificity"]["0.90"]
    assert polyp[head.index("Sensitivity at 90 % spec.")].startswith(f"{found['value']:.3f} ")
    counts = measured["findings"]["polyp"]
    assert polyp[1] == f"{counts['n_positive']:,} of {counts['n_frames']:,}"
    assert odd[head.index("AUROC")] == "–"  # no test patient has it


def test_frames_are_counted_as_the_manifest_has_them(run, metrics):
    table = rows_of(model_card(run, metrics, TOLD), "## Training data")
    assert ["A", "training", "48", "6", "6"] in table and [text(ODD), "test", "48", "6", "6"] in table
    part = run.frames("val")["polyp"]
    counts = [sum(value == 1 for value in part.dropna()), sum(value == 0 for value in part.dropna()), part.isna().sum()]
    assert ["polyp", "validation", *(str(count) for count in counts), "6"] in table
    assert [text(ODD), "training", "8", "40", "0", "1"] in table


def test_limits_and_audit_name_what_is_thin(run, metrics):
    card = model_card(run, metrics, TOLD, ["12 frames could not be read <b>"])
    limits, audit = (card.split(f"## {name}\n")[1].split("\n## ")[0] for name in ("Limits", "What the audit found"))
    assert "12 frames could not be read &lt;b&gt;" in limits and "Trained on A alone" in limits
    assert f"How well it finds {text(ODD)} could not be measured." in limits
    assert f"warning: {text(ODD)}: fewer than 3 positive patients" in audit and "were not looked for here" in audit
    assert "error" not in audit
    run.manifest.loc[run.manifest["split"] == "val", "patient"] = "Atrain0"
    assert "error: 1 patients stand on two sides of the split" in model_card(run, metrics, TOLD)


def test_thresholds_settings_and_versions(run, metrics):
    card = model_card(run, metrics, TOLD)
    assert rows_of(card, "## Thresholds and calibration")[2][:2] == ["polyp", "0.625"]
    assert ["model.backbone", "resnet18"] in rows_of(card, "## How it was trained")
    assert ["commit", "c0ffee"] in rows_of(card, "## Versions") and f"**{NOTICE}**" in card


def test_nothing_from_data_is_markup(run, metrics):
    write_model_card(run, metrics, TOLD)
    card, told = ((run.dir / name).read_text() for name in ("model_card.md", "checklist.md"))
    assert "<" not in card and "](" not in card.replace(r"\](", "")
    assert NOTICE in told and "`model_card.md: Limits`" in told and "not in this run: explanations.json" in told
