"""One symbol to remember: sequences that hide it, a network that recalls it, and how the gradient reaches back."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import TensorDataset


def remember(number: int, length: int, symbols: int, *, seed: list[int]) -> tuple[TensorDataset, np.ndarray]:
    """Make sequences of fillers with one symbol at a random place, which is the label.

    Returns one-hot (number, length, 2 · symbols), the fillers behind the symbols, and labels (number,); and how many
    steps before the end the symbol stands, (number,).
    """
    rng = np.random.default_rng(seed)
    tokens = rng.integers(symbols, 2 * symbols, size=(number, length))
    place, label = rng.integers(length, size=number), rng.integers(symbols, size=number)
    tokens[np.arange(number), place] = label
    one_hot = F.one_hot(torch.from_numpy(tokens), 2 * symbols).float()
    return TensorDataset(one_hot, torch.from_numpy(label)), length - 1 - place


class Recaller(nn.Module):
    """Reads (B, T, D) and answers by its last state: logits (B, classes)."""

    def __init__(self, recurrent: nn.RNNBase, readout: nn.Linear):
        super().__init__()
        self.recurrent, self.readout = recurrent, readout

    def forward(self, inputs: Tensor) -> Tensor:
        return self.readout(self.recurrent(inputs)[0][:, -1])


def gradient_by_distance(network: Recaller, inputs: Tensor, labels: Tensor) -> list[float]:
    """Return, for 0, 1, 2 … steps before the end, the norm of the gradient of the label's logit by the state there.

    It is the root of the mean square over the sequences (B, T, D), divided by that of the last state. The state of an
    LSTM is h and c together. Pascanu et al. 2013, On the difficulty of training recurrent neural networks, section 2.
    """
    states, state = [], None
    for step in inputs.split(1, dim=1):
        _, state = network.recurrent(step, state)
        states.append(state if isinstance(state, tuple) else (state,))
    logit = network.readout(states[-1][0][-1]).gather(1, labels[:, None]).sum()
    parts = [part for step in states for part in step]
    gradients = torch.autograd.grad(logit, parts, allow_unused=True)  # nothing is read off the last c
    squares = [0.0 if gradient is None else float(gradient.double().square().sum()) for gradient in gradients]
    norms = np.sqrt(np.reshape(squares, (len(states), -1)).sum(1))[::-1]
    return (norms / norms[0]).tolist()
