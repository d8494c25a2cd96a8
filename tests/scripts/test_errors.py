"""What goes wrong before a training begins is one line, and leaves no folder that looks like a run."""

import pytest

from .conftest import SMALL


@pytest.fixture
def train(command, tmp_path, run_dir):
    from capsight.learning.run import read_run

    root = read_run(run_dir).config.data.root

    def attempt(**settings):
        folder = tmp_path / "run"
        settings = {**SMALL, "data.root": root, "run_dir": folder, **settings}
        status, _, err = command("train.py", experiment="demo", **settings)
        assert "Traceback" not in err
        return status, err.strip().splitlines()[-1], folder

    return attempt


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"model.lrr": 1}, "model.lrr"),
        ({"+model.lrr": 1}, "there is no setting 'model.lrr'"),
        ({"model.loss.mining": "hardest"}, "model.loss.mining='hardest'"),
        ({"data.findings": "[polyp,unicorn]"}, "unicorn"),
        ({"data.manifest": "nowhere.csv"}, "there is no manifest nowhere.csv"),
        ({"model.backbone": "resnet19"}, "no backbone 'resnet19'"),
        ({"model.weights": "none.pth"}, "model.weights=FILE"),
        ({"data.split.by": "luck"}, "luck"),
        ({"data.split.unseen_devices": "[phantom_9]"}, "phantom_9"),
        ({"data.on_bad_frame": "ignore"}, "on_bad_frame"),
        ({"trainer.precision": "fp8"}, "precision='fp8'"),
        ({"+trainer.speed": 9}, "speed"),
        ({"trainer.devices": 0}, "trainer.devices=0 is not possible"),
        ({"trainer": "ddp", "trainer.devices": 999}, "trainer.devices=999, but this machine has "),
        ({"logger": "[excel]"}, "logger=[excel]"),
    ],
)
def test_one_line_that_says_what_to_do(train, settings, says):
    status, line, folder = train(**settings)
    assert status == 1
    assert line.startswith("error: ")
    assert says in line
    assert not folder.exists() or not list(folder.iterdir())  # nothing that looks like a run


def test_a_folder_that_cannot_be_made_is_one_line(train, tmp_path):
    (tmp_path / "file").write_text("")
    status, line, _ = train(run_dir=tmp_path / "file" / "run")
    assert status == 1
    assert "choose another folder" in line


def test_another_phantom_is_not_taken_for_the_one_that_is_asked_for(train):
    status, line, _ = train(**{"data.phantom.seed": 7})
    assert status == 1
    assert "drawn with other settings" in line
