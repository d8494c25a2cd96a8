import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from capsight.cli import CONF
from capsight.errors import UserError
from capsight.learning.sweep.best import experiment, outcome, write_best
from capsight.learning.sweep.worker import work

from .conftest import FAKE

TOLD = [
    "experiment=demo",
    "adaptation=[dann,mixstyle]",
    "data.split.unseen_devices=[phantom_2]",
    "+trainer.limit_val_batches=3",
    "model.optimiser.lr=1e-05",
    "model.embedding_dim=null",
    "title='a: b'",
]


def test_the_file_sets_what_the_command_line_would(tmp_path):
    (tmp_path / "best.yaml").write_text(experiment(TOLD))
    with initialize_config_dir(str(CONF), version_base="1.3"):
        told = compose("train", overrides=[*TOLD, "run_dir=x"])
        path = f"hydra.searchpath=[file://{tmp_path}/conf]"
        (tmp_path / "conf" / "experiment").mkdir(parents=True)
        (tmp_path / "best.yaml").rename(tmp_path / "conf" / "experiment" / "best.yaml")
        read = compose("train", overrides=["experiment=best", "run_dir=x", path])
    assert OmegaConf.to_container(read, resolve=True) == OmegaConf.to_container(told, resolve=True)
    assert read.model.optimiser.lr == 1e-5
    assert set(read.adaptation) == {"dann", "mixstyle"}


def test_of_what_is_given_twice_the_last_counts():
    twice = yaml.safe_load(experiment(["experiment=demo", "model=resnet", "experiment=recipe", "seed=1", "seed=2"]))
    assert twice == {"defaults": ["recipe", {"override /model": "resnet"}, "_self_"], "seed": 2}


def test_what_an_experiment_cannot_say_is_told():
    with pytest.raises(UserError, match="~data leaves something out"):
        experiment(["~data"])


def test_the_outcome_names_the_best_trial_and_what_it_is_worth(begin):
    sweep = begin(settings=["fail=low"], defaults={"x": 0.55})
    list(work(sweep, 6, FAKE))
    found = outcome(sweep)
    done = [trial for trial in found["trials"] if trial["state"] == "complete"]
    best, default = (found["trials"][found[name]] for name in ("best", "default"))
    assert best["value"] == max(trial["value"] for trial in done)
    assert (default["number"], default["settings"]) == (0, {"x": 0.55})
    assert found["within_one_standard_error"] == (best["value"] - default["value"] <= best["standard_error"])
    failed = next(trial for trial in found["trials"] if trial["state"] == "fail")
    assert (failed["value"], failed["reason"].split(" (")[0]) == (None, "this training cannot work.")
    assert f"x: {best['settings']['x']}" in write_best(sweep, best["number"]).read_text()
