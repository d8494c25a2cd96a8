import numpy as np
import pandas as pd
import pytest
import torch

from capsight.errors import UserError
from capsight.inference import in_time
from capsight.inference.in_time import InTime, judge_in_time, open_in_time, read_sequence_model
from capsight.inference.reference import Predicted
from capsight.nn.sequence import VideoConv, VideoLSTM

WIDTH, FINDINGS = 6, ["polyp", "bleeding"]
NETWORKS = {
    "lstm": lambda: VideoLSTM(WIDTH, 2, hidden=5),
    "forwards": lambda: VideoLSTM(WIDTH, 2, hidden=5, backwards=False),
    "convolutions": lambda: VideoConv(WIDTH, 2, hidden=4, reach=5),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    torch.manual_seed(0)
    return NETWORKS[request.param]().eval()


def keep(network, file):
    torch.save({"state_dict": {f"network.{name}": values for name, values in network.state_dict().items()}}, file)
    return file


def embeddings(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, WIDTH)).astype(np.float32)


def test_a_model_is_read_back_from_its_weights_alone(network, tmp_path):
    again = read_sequence_model(keep(network, tmp_path / "best.ckpt"), WIDTH, 2)
    frames = torch.from_numpy(embeddings(30))[None]
    with torch.no_grad():
        assert torch.equal(again(frames), network(frames))


def test_a_long_video_is_judged_in_chunks_as_at_once(network, monkeypatch):
    monkeypatch.setattr(in_time, "CHUNK", 40)
    monkeypatch.setattr(in_time, "MARGIN", 30)
    frames = embeddings(150)
    logits, known = judge_in_time(network, frames)
    with torch.no_grad():
        np.testing.assert_allclose(logits, network(torch.from_numpy(frames)[None])[0].numpy(), atol=1e-3)
    assert known.all()


def test_an_unreadable_frame_counts_as_the_one_before(network):
    frames = embeddings(20)
    repeated, broken = frames.copy(), frames.copy()
    repeated[7:9], broken[7:9] = frames[6], np.nan
    logits, known = judge_in_time(network, broken)
    np.testing.assert_allclose(logits, judge_in_time(network, repeated)[0], atol=1e-6)
    assert np.flatnonzero(~known).tolist() == [7, 8]
    assert np.isfinite(judge_in_time(network, np.full((5, WIDTH), np.nan))[0]).all()


def test_it_is_fitted_to_validation_videos_in_the_order_of_their_frames(network, tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"video": np.repeat(["a", "b", "c"], 40), "frame": np.tile(np.arange(40), 3)})
    table["patient"], values = table["video"], embeddings(120)
    truth = np.concatenate([judge_in_time(network, values[rows])[0] for rows in np.split(np.arange(120), 3)])
    for column, finding in enumerate(FINDINGS):
        noise = rng.normal(0, truth[:, column].std(), 120)
        table[f"label_{finding}"] = (truth[:, column] + noise > np.median(truth[:, column])).astype(int)
    order = rng.permutation(120)
    shuffled = Predicted(table.iloc[order].reset_index(drop=True), values[order])
    monkeypatch.setattr(in_time, "read_predictions", lambda run, split: shuffled)
    run = type("Run", (), {"findings": FINDINGS, "dir": tmp_path})()
    opened = open_in_time(run, keep(network, tmp_path / "best.ckpt"), "platt")
    platt = opened.trust["calibration"]["polyp"]["platt"]
    expected = 1 / (1 + np.exp(-platt["slope"] * truth[:40, 0] - platt["intercept"]))
    np.testing.assert_allclose(opened.probabilities(values[:40])["polyp"], expected, atol=1e-4)
    assert set(opened.thresholds) == set(FINDINGS)
    assert all(0 < threshold < 1 for threshold in opened.thresholds.values())
    broken = values[:40].copy()
    broken[3] = np.nan
    assert np.flatnonzero(opened.probabilities(broken)["polyp"].isna()).tolist() == [3]
    # in place of what single frames gave, and of the uncertainty of that
    single = pd.DataFrame({"probability_polyp": 0.1, "standard_deviation_polyp": 0.1, "visible": 1.0}, index=range(40))
    judged = opened.judge(single, values[:40])
    assert set(judged) == {"visible", *(f"probability_{finding}" for finding in FINDINGS)}
    np.testing.assert_allclose(judged["probability_polyp"], expected, atol=1e-4)
    assert isinstance(opened, InTime)


def test_frames_of_no_video_are_one_line(network, tmp_path, monkeypatch):
    table = pd.DataFrame({"video": ["a", None], "frame": [0, 1]})
    monkeypatch.setattr(in_time, "read_predictions", lambda run, split: Predicted(table, embeddings(2)))
    run = type("Run", (), {"findings": FINDINGS, "dir": tmp_path})()
    with pytest.raises(UserError, match="no videos"):
        open_in_time(run, keep(network, tmp_path / "best.ckpt"), "none")


def test_what_is_no_such_model_is_one_line(network, tmp_path):
    file = keep(network, tmp_path / "best.ckpt")
    with pytest.raises(UserError, match="embeddings of 6 numbers, and the run has 2 and 9"):
        read_sequence_model(file, 9, 2)
    with pytest.raises(UserError, match="judges 2 findings"):
        read_sequence_model(file, WIDTH, 3)
    torch.save({"state_dict": {"network.weight": torch.zeros(2)}}, file)
    with pytest.raises(UserError, match="no sequence model"):
        read_sequence_model(file, WIDTH, 2)
    with pytest.raises(UserError, match="there is no checkpoint"):
        read_sequence_model(tmp_path / "none.ckpt", WIDTH, 2)
