import pytest
import torch

from capsight.nn.sequence import VideoConv, VideoLSTM

VIDEOS = torch.randn(2, 30, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("make", [VideoConv, VideoLSTM])
def test_one_judgement_per_frame(make):
    model = make().eval()
    assert model(VIDEOS).shape == (2, 30, 4)
    assert model(VIDEOS[:, :1]).shape == (2, 1, 4)
    torch.testing.assert_close(model(VIDEOS)[:1], model(VIDEOS[:1]))


def touched(model, frame):
    """The frames whose judgement depends on `frame`."""
    changed = VIDEOS.clone()
    changed[:, frame] += 1
    return set((model(changed) - model(VIDEOS)).abs().amax((0, 2)).nonzero().ravel().tolist())


@pytest.mark.parametrize("reach", [0, 1, 5, 8])
def test_convolutions_reach_as_far_as_they_say(reach):
    torch.manual_seed(0)
    assert touched(VideoConv(reach=reach).eval(), 15) == set(range(15 - reach, 15 + reach + 1))


def test_an_lstm_looks_back_and_where_it_may_ahead():
    torch.manual_seed(0)
    assert touched(VideoLSTM(backwards=False).eval(), 15) == set(range(15, 30))
    assert {14, 15, 16} <= touched(VideoLSTM().eval(), 15)


def test_convolutions_equal_sums_over_neighbours():
    torch.manual_seed(0)
    model = VideoConv(reach=2).eval()
    first, second = (layer for layer in model if isinstance(layer, torch.nn.Conv1d))
    padded = torch.zeros(2, 32, 64)
    padded[:, 1:-1] = VIDEOS
    hidden = sum(padded[:, k : k + 30] @ first.weight[..., k].T for k in range(3)) + first.bias
    padded = torch.zeros(2, 32, 32)
    padded[:, 1:-1] = hidden.clamp(min=0)
    expected = sum(padded[:, k : k + 30] @ second.weight[..., k].T for k in range(3)) + second.bias
    torch.testing.assert_close(model(VIDEOS), expected)
