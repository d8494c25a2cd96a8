"""Lessons train in the test's own process, where Lightning warns of what is its own affair."""

from pathlib import Path

import pytest
from joblib import parallel_config

from capsight.lecture.drawn_frames import drawn_frames


def pytest_collection_modifyitems(items):
    quiet = pytest.mark.filterwarnings("ignore::Warning:(pytorch_lightning|lightning_fabric).*")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(quiet)


@pytest.fixture
def trainer() -> dict:
    """The section `trainer` of a config, for a training of one epoch on the CPU."""
    return {"accelerator": "cpu", "devices": 1, "strategy": "auto", "max_epochs": 1, "precision": "fp32"}


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> dict:
    """The settings `root` and `phantom` of a small phantom that is drawn already."""
    root = tmp_path_factory.mktemp("phantom")
    phantom = {"patients_per_device": 10, "frames_per_patient": 12, "size": 32}
    with parallel_config("sequential"):  # so little is drawn faster than processes are started
        drawn_frames(root, phantom)
    return {"root": str(root), "phantom": phantom}
