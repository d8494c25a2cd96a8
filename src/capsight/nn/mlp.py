"""The multilayer perceptron."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn


class MLP(nn.Sequential):
    """Linear layers from each of `sizes` to the next, with ReLUs between them.

    Input (B, …) of sizes[0] numbers an example, output (B, sizes[-1]) without a ReLU. Raises ValueError where there
    are fewer than two sizes.
    """

    def __init__(self, sizes: Sequence[int] = (8, 9, 9, 9, 4), *, bias: bool = True):
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes is {tuple(sizes)}; give at least the number of inputs and of outputs")
        layers = [nn.Flatten()]
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs, bias=bias), nn.ReLU()]
        super().__init__(*layers[:-1])
