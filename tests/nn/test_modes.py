import pytest
import torch
from torch import nn

from capsight.nn import evaluating


def test_modes_and_buffers_come_back_also_after_an_error():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    network[2].eval()
    before = network[1].running_mean.clone()
    with pytest.raises(ZeroDivisionError), evaluating(network):
        assert not any(module.training for module in network.modules())
        network[1].train()
        network(torch.rand(2, 3, 8, 8))
        assert not torch.equal(network[1].running_mean, before)
        raise ZeroDivisionError
    assert [module.training for module in network] == [True, True, False]
    assert torch.equal(network[1].running_mean, before)
