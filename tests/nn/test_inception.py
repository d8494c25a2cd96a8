from itertools import groupby

import pytest
import torch
from torch import nn

from capsight.nn.inception import GoogLeNet, Inception, NaiveInception
from capsight.nn.summary import summary

# Szegedy et al. 2014, table 1: output size, parameters in units of 1024, multiply-adds in millions. Its row for the
# first convolution counts 2.7K parameters and 34M multiply-adds, a plain 7 × 7 convolution from 3 to 64 maps has 9,408
# and 118M: it is not held against the network. Nor are the 463K parameters of 4c, which has 497.5: with the table's
# own 100M multiply-adds at 14 × 14 positions, 498 follow.
TABLE = {
    "conv1": ((64, 112, 112), None, None),
    "pool1": ((64, 56, 56), 0, 0),
    "conv2": ((192, 56, 56), 112, 360),
    "pool2": ((192, 28, 28), 0, 0),
    "inception_3a": ((256, 28, 28), 159, 128),
    "inception_3b": ((480, 28, 28), 380, 304),
    "pool3": ((480, 14, 14), 0, 0),
    "inception_4a": ((512, 14, 14), 364, 73),
    "inception_4b": ((512, 14, 14), 437, 88),
    "inception_4c": ((512, 14, 14), None, 100),
    "inception_4d": ((528, 14, 14), 580, 119),
    "inception_4e": ((832, 14, 14), 840, 170),
    "pool4": ((832, 7, 7), 0, 0),
    "inception_5a": ((832, 7, 7), 1072, 54),
    "inception_5b": ((1024, 7, 7), 1388, 71),
    "average": ((1024,), 0, 0),
    "linear": ((1000,), 1000, 1),
}


@pytest.fixture(scope="module")
def googlenet():
    """Per row of the table: output, parameters and multiply-adds; and the whole."""
    with torch.device("meta"):
        network, outputs = GoogLeNet(), {}
        for name, part in network.named_children():
            part.register_forward_hook(
                lambda module, given, output, name=name: outputs.update({name: output.shape[1:]})
            )
        told = summary(network, (3, 224, 224))
    rows = {name: list(layers) for name, layers in groupby(told.layers, lambda layer: layer.name.split(".")[0])}
    return told, {
        name: (tuple(outputs[name]), sum(x.parameters for x in row), sum(x.multiply_adds for x in row))
        for name, row in rows.items()
    }


@pytest.mark.parametrize("name", TABLE)
def test_googlenets_table(googlenet, name):
    size, parameters, operations = TABLE[name]
    output, counted, multiply_adds = googlenet[1][name]
    assert output == size
    if parameters is not None:
        assert counted / 1024 == pytest.approx(parameters, rel=0.06)
    if operations is not None:
        assert multiply_adds / 1e6 == pytest.approx(operations, rel=0.06)


def test_googlenet_where_the_table_counts_otherwise(googlenet):
    told, rows = googlenet
    assert rows["conv1"][1:] == (9_408 + 64, 112 * 112 * 9_408)
    assert rows["inception_4c"][1] == 509_440 + 664
    assert told.parameters == 6_998_552
    assert told.multiply_adds == pytest.approx(1.5e9, rel=0.06)  # "1.5 billion", section 1


def test_reduction_is_cheaper():
    naive, reduced = (summary(module, (192, 28, 28)) for module in (NaiveInception(), Inception()))
    assert NaiveInception()(torch.zeros(1, 192, 28, 28)).shape == (1, 64 + 128 + 32 + 192, 28, 28)
    assert Inception()(torch.zeros(1, 192, 28, 28)).shape == (1, 256, 28, 28)
    assert naive.multiply_adds == 784 * 192 * (64 + 9 * 128 + 25 * 32)
    assert reduced.multiply_adds == 784 * (192 * (64 + 96 + 16 + 32) + 9 * 96 * 128 + 25 * 16 * 32)
    assert naive.multiply_adds > 2 * reduced.multiply_adds


def test_googlenet_in_small():
    network = GoogLeNet(classes=3, normalise=True)
    assert network(torch.randn(2, 3, 64, 64)).shape == (2, 3)
    assert not any(isinstance(module, nn.LocalResponseNorm) for module in network.modules())
