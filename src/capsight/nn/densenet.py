"""DenseNet: every layer sees the maps of all layers before it.

Huang et al. 2017, Densely connected convolutional networks.
"""

import torch
from torch import Tensor, nn

from .initialisation import initialise

DEPTHS = (6, 12, 24, 16)  # layers per dense block


class DenseLayer(nn.Module):
    """Adds `growth` maps: (B, inputs, H, W) → (B, inputs + growth, H, W), through 4 · growth maps (DenseNet-B)."""

    def __init__(self, inputs: int, growth: int):
        super().__init__()
        self.change = nn.Sequential(
            *_activation(inputs),
            nn.Conv2d(inputs, 4 * growth, 1, bias=False),
            *_activation(4 * growth),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([maps, self.change(maps)], dim=1)


class DenseNet121(nn.Sequential):
    """Four dense blocks, with transitions that halve the maps and the size between them: (B, 3, S, S) → (B, classes).

    Table 1, DenseNet-121: 8 million parameters. growth: maps that every layer adds (k of the paper).
    """

    def __init__(self, *, classes: int = 1000, growth: int = 32):
        super().__init__()
        width = 2 * growth
        self.stem = nn.Sequential(nn.Conv2d(3, width, 7, 2, padding=3, bias=False), *_activation(width))
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        for number, depth in enumerate(DEPTHS, start=1):
            layers = (DenseLayer(width + i * growth, growth) for i in range(depth))
            self.add_module(f"dense{number}", nn.Sequential(*layers))
            width += depth * growth
            if number < len(DEPTHS):
                halved = nn.Conv2d(width, width // 2, 1, bias=False)
                self.add_module(f"transition{number}", nn.Sequential(*_activation(width), halved, nn.AvgPool2d(2)))
                width //= 2
        self.activation = _activation(width)
        self.average = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.linear = nn.Linear(width, classes)
        initialise(self, "he")


def _activation(width: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))
