"""A sweep through its real command: trials that are ordinary runs, shared by workers that may be killed."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir

from capsight.cli import CONF
from capsight.learning.run import read_run

from .conftest import REPOSITORY, SMALL, arguments

FAKE = REPOSITORY / "tests" / "learning" / "sweep" / "fake_train.py"
LR = "{lr: {setting: model.optimiser.lr, kind: float, low: 1.0e-4, high: 1.0e-2, log: true}}"


def listed(settings):
    return "[" + ",".join(f"'{setting}'" for setting in arguments(settings)) + "]"


@pytest.fixture
def sweep(tmp_path):
    """Start a worker in a process of its own, with trainings that take no time; returns the process."""
    table = pd.DataFrame({"patient": list("aabbccdd"), "device": "d", "label_polyp": [0, 1] * 4})
    for quality in range(10):
        logits = [(-quality, quality)[row % 2] + row % 3 for row in range(8)]
        table.assign(logit_polyp=logits).to_parquet(tmp_path / f"{quality}.parquet")

    def start(trials, pause=0.0, **settings):
        told = {"frames": tmp_path, "epochs": 3}
        told = {f"+trainer.{name}": value for name, value in told.items()}
        settings = {"search": "demo", "trials": trials, "out": tmp_path / "sweep", "pruner.name": "none"} | settings
        settings |= {"settings": listed(told), "command": f"[{sys.executable},{FAKE}]"}
        line = [sys.executable, str(REPOSITORY / "scripts" / "sweep.py"), *arguments(settings)]
        environment = {**os.environ, "PAUSE": str(pause)}
        return subprocess.Popen(
            line,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            # Where the tests themselves run in the background of a shell, Ctrl-C is ignored, and this is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    return start


def starts(folder):
    return [(folder / name / "starts").read_text().splitlines() for name in trial_names(folder)]


def trial_names(folder):
    return sorted((path.name for path in folder.glob("trial_*")), key=lambda name: int(name.split("_")[1]))


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_two_workers_share_the_trials(sweep, tmp_path):
    workers = [sweep(6, pause=0.5), sweep(6, pause=0.5)]
    for worker in workers:
        _, err = worker.communicate(timeout=300)
        assert worker.returncode == 0, err
    assert [len(lines) for lines in starts(tmp_path / "sweep")] == [1] * 6
    found = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert [trial["state"] for trial in found["trials"]] == ["complete"] * 6
    assert len({trial["settings"]["model.optimiser.lr"] for trial in found["trials"]}) == 6


@pytest.mark.parametrize("orphan", [True, False], ids=["its training goes on", "its training dies too"])
def test_a_killed_worker_loses_nothing(sweep, tmp_path, orphan):
    out = tmp_path / "sweep"
    worker = sweep(3, pause=2.0 if orphan else 30.0)
    wait_for(lambda: (out / "trial_0" / "starts").exists())
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    if not orphan:
        os.kill(int((out / "trial_0" / "pid").read_text()), signal.SIGKILL)
    assert not (out / "trial_0" / "metrics.json").exists()

    other = sweep(3)
    stdout, err = other.communicate(timeout=300)
    assert other.returncode == 0, err
    tries = starts(out)
    assert [len(lines) for lines in tries] == [1 if orphan else 2, 1, 1]
    assert len(set(tries[0])) == 1  # the same settings again
    found = json.loads((out / "sweep.json").read_text())
    assert [trial["state"] for trial in found["trials"]] == ["complete"] * 3
    assert "The best of 3 trials" in stdout


def test_ctrl_c_stops_the_trial_and_the_same_command_goes_on(sweep, tmp_path):
    out = tmp_path / "sweep"
    worker = sweep(2, pause=30)
    wait_for(lambda: (out / "trial_0" / "starts").exists())
    worker.send_signal(signal.SIGINT)
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 130
    assert "the same command goes on" in err
    assert "Traceback" not in err
    again = sweep(2)
    _, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    assert [len(lines) for lines in starts(out)] == [2, 1]


@pytest.fixture
def tiny(command, tmp_path):
    """Run the command in this process, with real trainings as small as can be."""
    small = SMALL | {"data.root": tmp_path / "phantom", "trainer.max_epochs": "1", "bank": "50"}

    def attempt(**settings):
        told = {"search": "demo", "trials": 1, "out": tmp_path / "sweep", "settings": listed(small)}
        told |= {"search.parameters": LR}
        return command("sweep.py", **told | settings)

    return attempt


def test_a_trial_is_an_ordinary_run_and_the_best_settings_train(tiny, tmp_path):
    status, out, err = tiny()
    assert status == 0, err
    folder = tmp_path / "sweep"
    run = read_run(folder / "trial_0")
    found = json.loads((folder / "sweep.json").read_text())
    assert run.config.model.optimiser.lr == found["trials"][0]["settings"]["model.optimiser.lr"] == 2e-3
    assert found["trials"][0]["epochs"] == 1
    assert (folder / "history.png").exists()
    assert "Nothing is better than the experiment's own settings." in out
    with initialize_config_dir(str(CONF), version_base="1.3"):
        search_path = f"hydra.searchpath=[file://{folder}]"
        config = compose("train", overrides=["experiment=best", "run_dir=x", search_path])
    assert config.data == run.config.data
    assert config.model == run.config.model


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"search": "nothing"}, "search/nothing"),
        ({"trials": 0}, "trials=0 is not possible"),
        ({"trials": "many"}, "trials=many is not possible"),
        ({"search.parameters": LR.replace("1.0e-4", "1.0")}, "low=1.0 is not below high=0.01"),
        ({"search.parameters": LR.replace("model.optimiser.lr", "model.optimiser.lrr")}, "model.optimiser.lrr is no"),
        ({"search.parameters": LR.replace("1.0e-4", "5.0e-3")}, "widen the space"),
        (
            {"search.parameters": LR.replace("1.0e-4", "-1.0").replace("true", "false")},
            "model.optimiser.lr=-1.0 is not",
        ),
        ({"settings": "['experiment=lenet']"}, "names a lesson"),
        ({"settings": "['experiment=nothing']"}, "nothing"),
        ({"settings": "5"}, "settings=5 is not possible; give a list"),
        ({"pruner.name": "luck"}, "pruner.name=luck is not known"),
        ({"metric": "luck"}, "metric=luck is not known"),
        ({"sampler": "luck"}, "sampler=luck is not known"),
        ({"pruner.epochs": 0}, "pruner.epochs=0 is not possible"),
        ({"storage": "cloud://x"}, "cannot be used: Can't load plugin"),
        ({"out": "{file}"}, "choose another folder"),
    ],
)
def test_what_cannot_be_had_is_one_line_before_anything_is_trained(tiny, tmp_path, changed, says):
    (tmp_path / "file").touch()
    changed = {name: tmp_path / "file" if value == "{file}" else value for name, value in changed.items()}
    status, _, err = tiny(**changed)
    lines = err.strip().splitlines()
    assert (status, len(lines)) == (1, 1), err
    assert lines[0].startswith("error: ")
    assert says in lines[0]
    assert not list(tmp_path.glob("sweep/trial_*"))
