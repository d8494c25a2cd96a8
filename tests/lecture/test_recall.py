import numpy as np
import pytest
import torch
from torch import nn

from capsight.lecture.recall import Recaller, gradient_by_distance, remember
from capsight.nn.recurrent import LSTM, VanillaRNN


def recallers():
    torch.manual_seed(0)
    vanilla = VanillaRNN(6, 5, 3)
    return [Recaller(vanilla.rnn, vanilla.readout), Recaller(LSTM(6, 5), nn.Linear(5, 3))]


@pytest.mark.parametrize("network", recallers())
def test_gradients_state_by_state(network):
    """Cut the sequence at every state, and ask for the gradient by that state alone."""
    data, _ = remember(4, 7, 3, seed=[0])
    inputs, labels = data.tensors
    norms = []
    for read in range(7, 0, -1):
        _, state = network.recurrent(inputs[:, :read])
        state = state if isinstance(state, tuple) else (state,)
        leaves = tuple(part.detach().requires_grad_() for part in state)
        last = leaves if len(leaves) > 1 else leaves[0]
        if read < 7:
            _, last = network.recurrent(inputs[:, read:], last)
        h = last[0][-1] if isinstance(last, tuple) else last[-1]
        sum(network.readout(h)[row, label] for row, label in enumerate(labels.tolist())).backward()
        norms.append(sum(float(leaf.grad.square().sum()) for leaf in leaves if leaf.grad is not None) ** 0.5)
    assert gradient_by_distance(network, inputs, labels) == pytest.approx([norm / norms[0] for norm in norms], rel=1e-4)


def test_one_symbol_is_to_be_remembered():
    data, distance = remember(200, 9, 3, seed=[0])
    inputs, labels = data.tensors
    tokens = inputs.argmax(2).numpy()
    assert inputs.shape == (200, 9, 6) and (inputs.sum(2) == 1).all()
    assert ((tokens < 3).sum(1) == 1).all()
    assert np.array_equal(tokens[np.arange(200), 8 - distance], labels.numpy())
    assert set(distance.tolist()) == set(range(9)) and set(labels.tolist()) == {0, 1, 2}
