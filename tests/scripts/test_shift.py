"""The grid through its real command: runs that are ordinary, that are not done twice, and that leak nothing."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from capsight.data.manifest import read_manifest, write_manifest
from capsight.evaluation.selection import PROTOCOLS, score
from capsight.learning.checkpoints import load_checkpoint

SMALL = {
    "experiment": "shift_phantom",
    "data.phantom.devices": "[phantom_1,phantom_2,phantom_7]",
    "data.phantom.patients_per_device": "6",
    "data.phantom.frames_per_patient": "12",
    "data.phantom.size": "48",
    "data.image_size": "32",
    "data.split.folds": "3",
    "data.workers": "0",
    "data.batch.batches_per_epoch": "3",
    "trainer.max_epochs": "1",
}
GRID = {
    "grid.targets": "[phantom_7]",
    "grid.methods": "[adabn,few_shot]",
    "grid.labelled": "[0,2]",
    "grid.seeds": "[0]",
    "grid.adapting": "['trainer.max_epochs=1']",
}


@pytest.fixture(scope="session")
def frames(tmp_path_factory):
    return tmp_path_factory.mktemp("phantom")


def written(folder):
    return {file: file.stat().st_mtime_ns for file in sorted(folder.glob("**/metrics.json"))}


def test_a_grid_is_done_once_and_goes_on_where_it_was(command, frames, tmp_path):
    told = {**SMALL, **GRID, "data.root": frames, "out": tmp_path}
    status, out, err = command("shift.py", **told)
    assert status == 0, err
    shift = json.loads((tmp_path / "shift.json").read_text())
    ways = {(cell["adaptation"], cell["k"]) for cell in shift["cells"]}
    assert ways == {("none", 0), ("adabn", 0), ("few_shot", 2)}
    for cell in shift["cells"]:
        assert cell["source"] == ["phantom_1", "phantom_2"]
        assert (cell["target"], cell["seed"], cell["selection"]) == ("phantom_7", 0, "source_validation")
        assert set(cell["findings"]) == {"polyp", "bleeding"}
        assert {"auroc", "mean_auroc"} <= {*cell["findings"]["polyp"], *cell}
        table = pd.read_parquet(tmp_path / cell["run"] / "predictions.parquet")
        assert set(table["device"]) == {"phantom_7"}
        used = read_manifest(tmp_path / cell["run"] / "manifest.parquet")
        assert used.groupby("patient")["split"].nunique().max() == 1
        assert used.loc[used["split"] == "adapt", "polyp"].notna().sum() == (6 if cell["k"] else 0)
    assert "<html" in (tmp_path / "shift.html").read_text()
    assert "shift.html" in out

    # nothing is done again, and what is missing is done
    before = written(tmp_path)
    assert len(before) == 4
    assert command("shift.py", **told)[0] == 0
    assert written(tmp_path) == before
    status, _, err = command("shift.py", **told, **{"model.dropout": "0.5"})
    assert status == 1 and "was trained with other settings (model.dropout); use the same, or change out" in err
    again = tmp_path / next(cell["run"] for cell in shift["cells"] if cell["adaptation"] == "adabn")
    (again / "metrics.json").unlink()
    assert command("shift.py", **told, only_report="true")[0] == 0
    assert len(json.loads((tmp_path / "shift.json").read_text())["cells"]) == 2
    assert command("shift.py", **told)[0] == 0
    after = written(tmp_path)
    assert {file for file in after if after[file] != before[file]} == {again / "metrics.json"}
    assert len(json.loads((tmp_path / "shift.json").read_text())["cells"]) == 3


def test_nothing_of_the_targets_test_patients_reaches_the_model(command, frames, tmp_path):
    """Other labels, other pixels: the weights, the thresholds and the scores that select are the same to the bit."""
    told = {**SMALL, "adaptation": "[few_shot,dann,adabn,tent]", "data.split.target": "phantom_7", "seed": "1"}
    told |= {"data.split.labelled": "2", "report": "false"}
    status, _, err = command("train.py", **told, **{"data.root": frames, "run_dir": tmp_path / "first"})
    assert status == 0, err
    used = read_manifest(tmp_path / "first" / "manifest.parquet")
    tested = set(used.loc[used["split"] == "test", "path"])

    other = tmp_path / "frames"
    shutil.copytree(frames, other)
    table = read_manifest(other / "manifest.csv")
    touched = table["path"].isin(tested)
    # Turned round within each patient, so that the patients still have as many frames with each finding.
    rows = pd.Series(table.index).groupby(table["patient"]).transform(lambda rows: rows.to_numpy()[::-1])
    for finding in ("polyp", "bleeding"):
        table[finding] = table[finding].mask(touched, table[finding].take(rows).set_axis(table.index))
    write_manifest(table, other / "manifest.csv")
    paths = sorted(tested)
    for path, moved in zip(paths, np.roll(paths, 5), strict=True):
        shutil.copyfile(frames / moved, other / path)

    status, _, err = command("train.py", **told, **{"data.root": other, "run_dir": tmp_path / "second"})
    assert status == 0, err
    runs = [tmp_path / "first", tmp_path / "second"]
    for name in ("best.ckpt", "adapted.ckpt"):
        first, second = (load_checkpoint(run / "checkpoints" / name)["state_dict"] for run in runs)
        assert all(torch.equal(first[key], second[key]) for key in first)
    first, second = ((run / "trust.json").read_text() for run in runs)
    assert first == second
    for part in ("validation", "adapt", "training"):
        first, second = (pd.read_parquet(run / part / "predictions.parquet") for run in runs)
        pd.testing.assert_frame_equal(first, second)
    scores = [selection_scores(run, table) for run in runs]
    assert scores[0] == scores[1] and None not in scores[0]
    first, second = (pd.read_parquet(run / "predictions.parquet") for run in runs)
    assert first["path"].tolist() == second["path"].tolist()
    assert not first["probability_polyp"].equals(second["probability_polyp"])

    # a run that learned from phantom_1 cannot be the start of one that is tested on it
    changed = {"data.split.target": "phantom_1", "start": runs[0], "run_dir": tmp_path / "third", "data.root": frames}
    status, _, err = command("train.py", **told | changed)
    assert status == 1
    assert "learned from patients who are tested on here" in err
    assert not (tmp_path / "third" / "config.yaml").exists()


def selection_scores(run, hidden):
    seen = {split: pd.read_parquet(run / split / "predictions.parquet") for split in ("validation", "adapt")}
    return [score(name, findings=["polyp", "bleeding"], hidden=hidden, **seen) for name in PROTOCOLS]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"grid.targets": "[phantom_9]"}, "no frame comes from the device 'phantom_9'"),
        ({"grid.labelled": "[900]"}, "900 labelled frames of phantom_7 with none of the findings were asked for"),
        ({"grid.methods": "[dan,nothing]"}, "grid.methods names nothing, which is not known; choose none, longer"),
        ({"grid.selection": "best"}, "grid.selection=best is not known; choose source_validation"),
        ({"grid.seeds": "[a]"}, "grid.seeds=a is not possible"),
        ({"grid.jobs": "0"}, "grid.jobs=0 is not possible"),
        ({"grid.labelled": "[0]"}, "grid.methods names few_shot, which needs labelled frames"),
        ({"grid.sources": "[[phantom_7]]"}, "leaves no source beside the target phantom_7"),
        ({"grid.sources": "[[phantom_9]]"}, "no frame comes from the device 'phantom_9'"),
        ({"grid.losses": "[best]"}, "model.loss.objective='best' is not known"),
        ({"grid.methods": "[few_shot+joint]"}, "cannot be combined"),
        ({"grid.adapting": "['trainer.epochs=1']"}, "trainer.epochs"),
        ({"grid.variants": "{adabn:['adaptation.adabn.part=1']}"}, "adaptation.adabn.part"),
        ({"grid.variants": "{adabn:['adaptation.adabn.share=2']}"}, "adaptation.adabn: "),
        ({"data.split.target": "phantom_7"}, "give grid.targets in its place"),
        ({"adaptation": "[adabn]"}, "give grid.methods in its place"),
        ({"out": "{file}"}, "File exists; choose another folder"),
        ({"data.split.unseen_devices": "[phantom_1]"}, "set unseen_devices="),
    ],
)
def test_what_cannot_be_had_is_said_before_anything_is_trained(command, frames, tmp_path, changed, told):
    (tmp_path / "file").touch()
    changed = {
        name: value.format(file=tmp_path / "file") if name == "out" else value for name, value in changed.items()
    }
    status, _, err = command("shift.py", **{**SMALL, **GRID, "data.root": frames, "out": tmp_path / "out", **changed})
    assert status == 1
    lines = [line for line in err.strip().splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert told in lines[0]
    assert not list(tmp_path.glob("out/**/*.ckpt"))


def test_a_training_that_fails_is_named_and_the_others_are_done(command, frames, tmp_path):
    told = {**SMALL, **GRID, "data.root": frames, "out": tmp_path, "grid.methods": "[few_shot]"}
    told["grid.variants"] = '{few_shot:["","model.optimiser.name=nothing"]}'
    status, _, err = command("shift.py", **told)
    assert status == 1
    assert "model.optimiser.name='nothing' is not known" in err
    assert "1 trainings failed" in err or "1 training failed" in err
    assert len(json.loads((tmp_path / "shift.json").read_text())["cells"]) == 2
