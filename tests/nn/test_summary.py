import pytest
import torch
from torch import nn

from capsight.nn.convolution import convolution
from capsight.nn.summary import neurons, summary


def test_a_row_by_hand():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 4 * 4, 5))
    told = summary(network, (3, 9, 9))
    assert [layer.name for layer in told.layers] == ["0", "1", "2", "3"]
    assert told.layers[0] == ("0", (8, 4, 4), 8 * 3 * 9 + 8, 4 * 4 * 8 * 3 * 9)
    assert told.layers[1] == ("1", (8, 4, 4), 0, 0)
    assert told.layers[3] == ("3", (5,), 128 * 5 + 5, 128 * 5)
    assert told.parameters == sum(p.numel() for p in network.parameters())
    assert told.multiply_adds == 3456 + 640
    assert neurons(network, (3, 9, 9)) == 8 * 4 * 4 + 5


def multiplications(network, x):
    """Count by what each weight adds to the sum of the outputs, were all inputs and weights 1."""
    for p in network.parameters():
        nn.init.constant_(p, 1.0 if p.ndim > 1 else 0.0)
    return int(network(torch.ones_like(x)).sum())


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(4, 6, 3, stride=2, groups=2), (4, 9, 7)),
        (nn.Conv1d(4, 6, 3, dilation=2), (4, 9)),
        (nn.ConvTranspose2d(4, 6, 3, stride=2), (4, 5, 5)),
        (nn.Linear(4, 7), (5, 4)),
    ],
)
def test_multiply_adds_are_those_that_are_done(layer, shape):
    assert summary(layer, shape).multiply_adds == multiplications(layer, torch.zeros(1, *shape))


def test_recurrent_layers_count_every_step():
    lstm = nn.LSTM(5, 7, batch_first=True, num_layers=2, bidirectional=True)
    per_step = 2 * (4 * 7 * (5 + 7)) + 2 * (4 * 7 * (14 + 7))
    told = summary(lstm, (11, 5))
    assert told.multiply_adds == 11 * per_step
    assert told.layers[0].output_shape == (11, 14)


def test_a_layer_used_twice_is_one_row_with_the_work_of_two():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.tied, self.idle = nn.Linear(4, 4), nn.Linear(4, 4, bias=False), nn.Linear(3, 3)
            self.tied.weight = self.layer.weight

        def forward(self, x):
            return self.tied(self.layer(self.layer(x)))

    told = summary(Twice(), (4,))
    assert told.layers == [("layer", (4,), 20, 32), ("tied", (4,), 0, 16), ("idle", None, 12, 0)]
    assert told.parameters == sum(p.numel() for p in Twice().parameters()) == 32
    assert "did not run" in str(told)


def test_the_network_is_as_before():
    network = nn.Sequential(convolution(3, 4, 3, normalise=True), nn.Dropout())
    network[1].eval()
    summary(network, (3, 8, 8))
    assert network[0][1].training and not network[1].training
    assert network[0][1].num_batches_tracked == 0
    assert not network[0][0]._forward_hooks


def test_words_and_tables():
    network = nn.Sequential(nn.Embedding(10, 3), nn.Flatten(), nn.Linear(12, 2))
    told = summary(network, (4,), dtype=torch.long)
    assert told.layers[0] == ("0", (4, 3), 30, 0)
    lines = str(told).splitlines()
    assert len(lines) == 5 and len({len(line) for line in lines}) == 1


def test_nothing_is_computed_on_meta():
    with torch.device("meta"):
        network = nn.Linear(10**5, 10**5)
    assert summary(network, (10**5,)).multiply_adds == 10**10
