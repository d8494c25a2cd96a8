"""Commands run in this process, and one small run that several tests look at."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SMALL = {
    "data.phantom.devices": "[phantom_1,phantom_2,phantom_7]",
    "data.phantom.patients_per_device": "5",
    "data.phantom.frames_per_patient": "12",
    "data.phantom.size": "48",
    "data.image_size": "32",
    "data.split.folds": "3",
    "data.split.unseen_devices": "[phantom_7]",
    "data.workers": "0",
    "data.batch.frames_per_class": "3",
    "trainer.max_epochs": "3",
    "trust.passes": "5",
}


def arguments(settings: dict) -> list[str]:
    return [f"{name}={value}" for name, value in settings.items()]


@pytest.fixture
def command(monkeypatch, capfd):
    """Run a script as a user would; returns its exit status and what it wrote to standard output and error."""

    def run(script: str, **settings) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [script, *arguments(settings)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(REPOSITORY / "scripts" / script), run_name="__main__")
        return end.value.code or 0, *capfd.readouterr()

    return run


@pytest.fixture(scope="session")
def training(tmp_path_factory):
    """Start a training of the small demo in a process of its own; returns the process."""
    phantom = tmp_path_factory.mktemp("phantom")

    def start(run_dir: Path, **settings) -> subprocess.Popen:
        small = {**SMALL, "data.root": phantom, "run_dir": run_dir, **settings}
        line = [sys.executable, str(REPOSITORY / "scripts" / "train.py"), "experiment=demo", *arguments(small)]
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


@pytest.fixture(scope="session")
def run_dir(training, tmp_path_factory):
    """The folder of one finished run."""
    folder = tmp_path_factory.mktemp("runs") / "demo"
    process = training(folder)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "report:" in out
    return folder
