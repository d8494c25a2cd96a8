"""Which trainings a grid has and what each is told; and that they run once, side by side, and nobody else's beside."""

import time
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from capsight.errors import UserError
from capsight.learning import trainings
from capsight.learning.grid import Training, check_plan, plan
from capsight.learning.settings import check_grid, check_left_to_grid
from capsight.learning.trainings import alone, check_done, finished_cells, run_trainings

GRID = {
    "sources": "others",
    "targets": ["c"],
    "methods": ["few_shot", "dann+mixstyle"],
    "labelled": [0, 5, 10],
    "losses": None,
    "seeds": [0, 1],
    "variants": {},
}


def cells(**changed):
    return plan(["a", "b", "c"], {**GRID, **changed})


def test_every_combination_once():
    made = cells()
    assert {cell.source for cell in made} == {("a", "b")}
    ways = {(cell.method, cell.labelled) for cell in made}
    assert ways == {("none", 0), ("few_shot", 5), ("few_shot", 10), ("dann+mixstyle", 0)}
    assert len(made) == len(set(made)) == len(ways) * 2
    assert len({cell.folder for cell in made}) == len(made)


def test_sources():
    assert {cell.source for cell in cells(sources="single")} == {("a",), ("b",)}
    assert {cell.source for cell in cells(sources=[["a"], ["b", "c"], ["a", "b"]])} == {("a",), ("a", "b")}
    every = cells(targets=None)
    assert {(cell.source, cell.target) for cell in every} == {(("b", "c"), "a"), (("a", "c"), "b"), (("a", "b"), "c")}


def test_losses_and_variants_are_cells_of_their_own():
    made = cells(
        losses=["ce", "ce_triplet"], methods=["dann"], variants={"dann": ["adaptation.dann.weight=0.1", ""]}, seeds=[0]
    )
    assert len(made) == 2 * (1 + 2)
    assert len({cell.folder for cell in made}) == 6
    begun = {cell.begins_with.folder for cell in made}
    assert begun == {Path("sources/a+b,ce/seed_0"), Path("sources/a+b,ce_triplet/seed_0")}


def test_what_a_training_is_told():
    cell = Training(("a", "b"), 1, "c", "few_shot", 5)
    told = cell.settings(Path("out"), ["trainer.max_epochs=2"])
    assert "adaptation=[few_shot]" in told
    assert "data.split.target='c'" in told
    assert "data.split.labelled=5" in told
    assert "start='out/sources/a+b/seed_1'" in told
    assert "trainer.max_epochs=2" in told
    assert "trainer.max_epochs=0" in Training(("a",), 0, "c", "adabn").settings(Path("out"), ["trainer.max_epochs=2"])
    longer = Training(("a",), 0, "c", "longer").settings(Path("out"), ["trainer.max_epochs=2"])
    assert {"adaptation=[none]", "trainer.max_epochs=2"} <= set(longer)
    source = cell.begins_with.settings(Path("out"), ["trainer.max_epochs=2"])
    assert not any(setting.startswith(("start", "adaptation", "data.split.target", "trainer")) for setting in source)


def test_names_from_data_reach_hydra_as_they_are_and_lead_nowhere_else():
    names = ["PillCam SB3", "<script>, (2) [x]", "it's", "1", "../../etc"]
    cell = Training(tuple(names[:-1]), 0, names[-1], "dann")
    told = cell.settings(Path("the 'out'"), [])
    read = {one.key_or_group: one.value() for one in OverridesParser.create().parse_overrides(told)}
    assert [str(name) for name in read["data.split.source"]] == names[:-1]
    assert all(isinstance(name, str) for name in read["data.split.source"])
    assert read["data.split.target"] == names[-1]
    assert read["start"] == str(Path("the 'out'") / cell.begins_with.folder)
    assert ".." not in cell.folder.parts and len(cell.folder.parts) == 5


def test_what_shift_json_says():
    cell = Training(("a", "b"), 1, "c", "few_shot", 5, "ce")
    assert cell.cell() == {
        "source": ["a", "b"],
        "target": "c",
        "adaptation": "few_shot",
        "k": 5,
        "seed": 1,
        "settings": "",
        "run": "cells/a+b,ce to c/few_shot/5_labelled/seed_1",
        "source_run": "sources/a+b,ce/seed_1",
        "objective": "ce",
    }


def test_grids_that_make_no_sense():
    with pytest.raises(UserError, match="grid.methods names nothing, which is not known"):
        cells(methods=["nothing"])
    with pytest.raises(UserError, match="grid.sources=all is not known"):
        cells(sources="all")
    with pytest.raises(UserError, match="leaves no source beside the target c"):
        plan(["c"], GRID)
    with pytest.raises(UserError, match="the grid is empty"):
        plan(["c"], {**GRID, "targets": None})
    with pytest.raises(UserError, match="leaves no source beside the target c"):
        cells(sources=[["a", "c"], ["c"]])
    for sources in ([["a", "a"]], [[1]], [[]], ["a"]):
        with pytest.raises(UserError, match="grid.sources=.* is not known"):
            cells(sources=sources)
    with pytest.raises(UserError, match="few_shot, which needs labelled frames; give grid.labelled"):
        cells(labelled=[0])


SETTINGS = {**GRID, "adapting": [], "selection": "source_validation", "jobs": 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("methods", None),
        ("methods", "dann"),
        ("seeds", []),
        ("seeds", 0),
        ("seeds", [0.5]),
        ("labelled", []),
        ("labelled", [-1]),
        ("targets", []),
        ("losses", "ce"),
        ("adapting", None),
        ("adapting", "trainer.max_epochs=2"),
        ("adapting", [2]),
        ("jobs", 0),
        ("selection", "best"),
        ("variants", ["few_shot"]),
        ("variants", {"few_shot": "model.dropout=0.1"}),
        ("variants", {"few_shot": [1]}),
        ("variants", {"dan": ["adaptation.dan.weight=2.0"]}),
    ],
)
def test_settings_of_the_grid_that_are_not_possible(name, value):
    check_grid(SETTINGS)
    with pytest.raises(UserError, match=f"grid.{name}"):
        check_grid({**SETTINGS, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 3),
        ("adaptation", {"dann": {}}),
        ("start", "runs/one"),
        ("data.split.source", ["a"]),
        ("data.split.target", "c"),
        ("data.split.labelled", 5),
    ],
)
def test_what_the_grid_gives_to_its_trainings_is_not_given_to_all(name, value):
    """With data.split.target, trainings on a source would be tested on the target, and nothing would seem lost."""
    split = {"source": None, "target": None, "labelled": 0}
    settings = {"seed": 0, "adaptation": {}, "start": None, "data": {"split": split}}
    check_left_to_grid(settings)
    if name.startswith("data.split."):
        split[name.removeprefix("data.split.")] = value
    else:
        settings[name] = value
    with pytest.raises(UserError, match=name):
        check_left_to_grid(settings)


def test_what_cannot_be_had_is_said_before_anything_is_trained():
    rows = [(f"{d}{p}/{f}.jpg", f"{d}{p}", f"{d}{p}", d, f % 2) for d in "abc" for p in range(6) for f in range(4)]
    table = pd.DataFrame(rows, columns=["path", "patient", "video", "device", "polyp"])
    split = {"by": "patient", "folds": 3, "fold": 0, "seed": 0, "unseen_devices": [], "source": None, "labelled": 0}
    check_plan(cells(labelled=[6]), table, ["polyp"], split)
    with pytest.raises(UserError, match="no frame comes from the device 'd'"):
        check_plan(cells(targets=["d"]), table, ["polyp"], split)
    with pytest.raises(UserError, match="7 labelled frames of c"):
        check_plan(cells(labelled=[7]), table, ["polyp"], split)
    table.loc[table["device"] == "c", "polyp"] = 0
    with pytest.raises(UserError, match="no finding has frames with and without it among the test patients of .* c,"):
        check_plan(cells(methods=[]), table, ["polyp"], split)


# Stands for scripts/train.py: the seed says what becomes of the training.
STUB = """
import os, signal, sys, time
from pathlib import Path
told = dict(setting.split("=", 1) for setting in sys.argv[1:])
folder = Path(told["run_dir"].strip("'"))
(folder / "begun").touch()
if told["seed"] == "1":
    sys.exit("error: there is no luck")
if told["seed"] == "2":
    print("epoch 1/6", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
while told["seed"] == "3" and not (folder / "go").exists():
    time.sleep(0.05)
(folder / "told").write_text(" ".join(sys.argv[1:]))
(folder / "metrics.json").write_text("{}")
"""


@pytest.fixture
def stub(tmp_path, monkeypatch):
    file = tmp_path / "stub.py"
    file.write_text(STUB)
    monkeypatch.setattr(trainings, "TRAIN", file)
    return file


def run(made, out):
    with alone(out) as lock:
        return run_trainings(made, out, shared=["a=1"], adapting=["b=2"], jobs=2, lock=lock, what="Training")


def test_trainings_are_done_once_and_failures_are_told(stub, tmp_path):
    out = tmp_path / "out"
    made = [Training(("a",), seed, "c", "longer") for seed in (0, 1, 2, 4)]
    failed = run(made, out)
    assert {training.seed for training in failed} == {1, 2}
    assert failed[made[1]] == f"there is no luck ({out / made[1].folder / 'train.log'})"
    assert failed[made[2]].startswith("it ended with status -9, after the line: epoch 1/6 (")
    assert (out / made[0].folder / "told").read_text().startswith("a=1 seed=0")
    assert [cell["seed"] for cell in finished_cells(out)] == [0, 4]
    before = (out / made[0].folder / "told").stat().st_mtime_ns
    assert {training.seed for training in run(made, out)} == {1, 2}
    assert (out / made[0].folder / "told").stat().st_mtime_ns == before


def test_what_was_trained_with_other_settings_is_not_mixed_in(tmp_path):
    made = Training(("a",), 0, "c")
    data = {"findings": ["polyp"], "workers": 2, "split": {"target": "c"}}
    config = OmegaConf.create({"seed": 0, "data": data, "trainer": {"max_epochs": 2}})
    file = tmp_path / made.folder / "config.yaml"
    file.parent.mkdir(parents=True)
    OmegaConf.save(config, file)
    other = OmegaConf.merge(config, {"trainer": {"max_epochs": 3}})
    check_done(tmp_path, made, other)  # it is not complete: going on with it is refused by the training
    file.with_name("metrics.json").write_text("{}")
    same = {"seed": 1, "data": {"workers": 0, "split": {"target": "b"}}, "model": {"dropout": 0.2}}
    check_done(tmp_path, made, OmegaConf.merge(config, same))  # another of its kind, and a setting that is new
    with pytest.raises(UserError, match=r"was trained with other settings \(trainer.max_epochs\)"):
        check_done(tmp_path, made, other)
    file.write_text("data: [")
    with pytest.raises(UserError, match="config.yaml is damaged"):
        check_done(tmp_path, made, config)


@pytest.mark.parametrize("content", ["", '{"source": ["a"', "[1]"])
def test_a_damaged_cell_is_named(stub, tmp_path, content):
    made = Training(("a",), 0, "c")
    assert run([made], tmp_path) == {}
    (tmp_path / made.folder / "cell.json").write_text(content)
    with pytest.raises(UserError, match=r"cell.json is damaged; delete its folder, and begin the grid again"):
        finished_cells(tmp_path)


def test_a_second_grid_waits_for_the_first_and_for_what_a_killed_one_left(stub, tmp_path):
    out, slow = tmp_path / "out", Training(("a",), 3, "c")
    told = {"shared": [], "adapting": [], "jobs": 1, "what": "Training"}
    with alone(out) as lock:
        with pytest.raises(UserError, match="another grid, or a training that it left, is at work in"), alone(out):
            pass
        work = Thread(target=run_trainings, args=([slow], out), kwargs={"lock": lock, **told})
        work.start()
        wait_for((out / slow.folder / "begun").exists)
    try:  # the grid's own hold on the folder is gone, as after SIGKILL, and its training goes on
        with pytest.raises(UserError, match="a training that it left"), alone(out):
            pass
    finally:
        (out / slow.folder / "go").touch()
        work.join()
    assert run([slow], out) == {}
    assert [cell["seed"] for cell in finished_cells(out)] == [3]


def wait_for(condition):
    for _ in range(2400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("waited in vain")
