"""Every method in two processes that train together; all in one pair, since starting one takes most of the time."""

from pathlib import Path

import pytest
import torch

from capsight.adaptation.methods import METHODS

WORKER = Path(__file__).with_name("ddp_worker.py")
TRIED = [*METHODS, "together"]


@pytest.fixture(scope="module")
def results(two_processes, tmp_path_factory):
    """What each of the two processes kept, or what they said."""
    folder = tmp_path_factory.mktemp("ddp")
    return two_processes(WORKER, folder)


@pytest.mark.parametrize("task", ["multilabel", "exclusive"])
@pytest.mark.parametrize("name", TRIED)
def test_two_processes_learn_the_same(results, name, task):
    first, second = (result[name, task] for result in results)
    assert first["losses"].isfinite().all() and second["losses"].isfinite().all()
    assert not torch.equal(first["losses"], second["losses"])  # each has frames of its own
    for key, weight in first["after"].items():
        assert weight.isfinite().all() and torch.equal(weight, second["after"][key]), key
        assert not torch.equal(weight, first["before"][key]), key


def test_all_were_tried(results):
    assert {name for name, _ in results[0]} == {*TRIED}
