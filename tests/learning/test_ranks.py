"""Two processes together do what one does alone; all in one pair, since starting one takes most of the time."""

import importlib.util
from pathlib import Path

import pytest
import torch

from capsight.learning import ranks

WORKER = Path(__file__).with_name("ranks_worker.py")
spec = importlib.util.spec_from_file_location("ranks_worker", WORKER)
worker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(worker)


@pytest.fixture(scope="module")
def results(two_processes, tmp_path_factory):
    """What one process found alone, and what the first and the second of two found."""
    folder = tmp_path_factory.mktemp("ranks")
    worker.draw_frames(folder)
    pair = two_processes(WORKER, folder)
    torch.manual_seed(0)
    return worker.work(folder), *pair


@pytest.mark.parametrize("name", worker.TRIED)
def test_loss_and_gradients_are_those_of_the_joined_batch(results, name):
    alone, *pair = (result["gradients"][name] for result in results)
    assert alone["loss"] > 0
    for together in pair:
        for key, expected in alone.items():
            torch.testing.assert_close(together[key], expected, atol=1e-6, rtol=1e-6, msg=f"{name} {key}")
    moved = [key for key, gradient in alone.items() if key != "loss" and gradient.abs().max() > 1e-3]
    assert any(key.startswith("embed") for key in moved)


def test_two_epochs_give_the_weights_of_one_process(results):
    alone, *pair = (result["weights"] for result in results)
    for together in pair:
        for key, expected in alone.items():
            torch.testing.assert_close(together[key], expected, atol=1e-6, rtol=1e-5)


def test_validation_is_of_every_frame_once(results):
    alone, *pair = (result["validation"] for result in results)
    assert {"val_auroc_polyp", "val_auroc_bleeding", "val_loss", "val_score"} == alone.keys()
    assert all(together == pytest.approx(alone, abs=1e-6) for together in pair)


def test_a_process_without_a_readable_frame_keeps_up(results):
    alone, *pair = (result["unreadable"] for result in results)
    assert alone["skipped"] == ["0.jpg"]
    for together in pair:
        assert together["skipped"] == ["0.jpg", "1.jpg"]
        for key, expected in alone["gradient"].items():
            torch.testing.assert_close(together["gradient"][key], expected, atol=1e-5, rtol=1e-4)


def test_predictions_hold_every_frame_once(results):
    alone, *pair = (result["predictions"] for result in results)
    assert alone["table"]["path"] == [f"{i}.png" for i in (0, 1, 2, 3, 5, 6)]
    assert alone["skipped"] == ["4.png"]
    assert len(set(alone["table"]["mutual_information_polyp"])) == 6
    for together in pair:
        assert together["few"] == ["0.png"]
        assert together["skipped"] == alone["skipped"]
        assert together["embeddings"] == [pytest.approx(row, abs=1e-6) for row in alone["embeddings"]]
        for column, values in alone["table"].items():
            expected = values if isinstance(values[0], str) else pytest.approx(values, abs=1e-6)
            assert together["table"][column] == expected, column


def test_messages(results):
    alone, *pair = (result["messages"] for result in results)
    assert (alone["agreed"], alone["gathered"], alone["first"], alone["ended"]) == (0, [0], 0, "UserError")
    for together, ended in zip(pair, ("UserError", "SystemExit"), strict=True):
        assert (together["agreed"], together["gathered"], together["first"]) == (0, [0, 1], 0)
        assert together["ended"] == ended
        assert together["rows"].tolist() == [[0, 0], [1, 1], [1, 1]]
    assert pair[0]["gradient"].tolist() == [[0, 0]]
    assert pair[1]["gradient"].tolist() == [[2, 2], [4, 4]]  # times two processes: DDP takes the mean


def test_a_process_alone_is_the_first_of_one(monkeypatch):
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    assert ranks.launched_by() is None
    assert ranks.place() == (0, 1)
    monkeypatch.setenv("SLURM_NTASKS", "4")  # of a batch script that did not call srun
    assert ranks.launched_by() is None
