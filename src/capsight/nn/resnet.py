"""Thirty-four layers, with and without shortcuts.

He et al. 2016, Deep residual learning for image recognition, figure 3.
"""

from torch import Tensor, nn

from .convolution import convolution
from .initialisation import initialise

DEPTHS = (3, 4, 6, 3)  # blocks of two convolutions per stage


class Block(nn.Module):
    """Two 3 × 3 convolutions F, and ReLU(F(x) + x) with `residual`, ReLU(F(x)) without.

    Where the size changes, x goes through a 1 × 1 convolution (option B of the paper).
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int, residual: bool, normalise: bool):
        super().__init__()
        self.first = convolution(inputs, outputs, 3, stride=stride, padding=1, normalise=normalise)
        self.second = convolution(outputs, outputs, 3, padding=1, normalise=normalise)[:-1]
        self.relu = nn.ReLU(inplace=True)
        self.residual = residual
        if residual and (stride > 1 or inputs != outputs):
            self.shortcut = convolution(inputs, outputs, 1, stride=stride, normalise=normalise)[:-1]
        else:
            self.shortcut = nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        change = self.second(self.first(maps))
        return self.relu(change + self.shortcut(maps) if self.residual else change)


class _Net34(nn.Sequential):
    """(B, 3, S, S) → (B, classes). width: of the first stage; it doubles with every stage."""

    def __init__(self, *, residual: bool, classes: int, width: int, normalise: bool):
        super().__init__()
        self.stem = convolution(3, width, 7, stride=2, padding=3, normalise=normalise)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        self.stages, inputs = nn.Sequential(), width
        for stage, depth in enumerate(DEPTHS):
            for block in range(depth):
                outputs, stride = width << stage, 2 if stage and not block else 1
                self.stages.append(Block(inputs, outputs, stride=stride, residual=residual, normalise=normalise))
                inputs = outputs
        self.average = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.linear = nn.Linear(inputs, classes)
        initialise(self, "he")


class PlainNet34(_Net34):
    """Figure 3, middle: no shortcuts. normalise=False leaves out the batch normalisation that the paper has."""

    def __init__(self, *, classes: int = 1000, width: int = 64, normalise: bool = True):
        super().__init__(residual=False, classes=classes, width=width, normalise=normalise)


class ResNet34(_Net34):
    """Figure 3, right: a shortcut around every two convolutions. normalise=False leaves out batch normalisation."""

    def __init__(self, *, classes: int = 1000, width: int = 64, normalise: bool = True):
        super().__init__(residual=True, classes=classes, width=width, normalise=normalise)
