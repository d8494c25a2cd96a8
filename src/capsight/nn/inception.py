"""Inception: several sizes of convolution side by side, and GoogLeNet, which is made of them.

Szegedy et al. 2014, Going deeper with convolutions.
"""

import torch
from torch import Tensor, nn

from .convolution import convolution
from .initialisation import initialise


class _Branches(nn.Module):
    """Modules that see the same input; their maps are put one after the other."""

    def __init__(self, **branches: nn.Module):
        super().__init__()
        self.branches = nn.ModuleDict(branches)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([branch(maps) for branch in self.branches.values()], dim=1)


class NaiveInception(_Branches):
    """Figure 2a: 1 × 1, 3 × 3 and 5 × 5 convolutions and a pooling side by side.

    (B, inputs, H, W) → (B, ones + threes + fives + inputs, H, W): wider after every module, because the pooling keeps
    all maps. The sizes are those of `Inception`, so that the two can be compared.
    """

    def __init__(self, inputs: int = 192, *, ones: int = 64, threes: int = 128, fives: int = 32):
        super().__init__(
            ones=convolution(inputs, ones, 1),
            threes=convolution(inputs, threes, 3, padding=1),
            fives=convolution(inputs, fives, 5, padding=2),
            pooled=nn.MaxPool2d(3, 1, padding=1),
        )


class Inception(_Branches):
    """Figure 2b: 1 × 1 convolutions reduce the maps before the large convolutions, and after the pooling.

    (B, inputs, H, W) → (B, ones + threes + fives + pooled, H, W). reduced_threes and reduced_fives: the maps that the
    large convolutions see. The default sizes are those of module 3a of GoogLeNet.
    """

    def __init__(
        self,
        inputs: int = 192,
        *,
        ones: int = 64,
        reduced_threes: int = 96,
        threes: int = 128,
        reduced_fives: int = 16,
        fives: int = 32,
        pooled: int = 32,
        normalise: bool = False,
    ):
        def block(inputs, outputs, kernel):
            return convolution(inputs, outputs, kernel, padding=kernel // 2, normalise=normalise)

        super().__init__(
            ones=block(inputs, ones, 1),
            threes=nn.Sequential(block(inputs, reduced_threes, 1), block(reduced_threes, threes, 3)),
            fives=nn.Sequential(block(inputs, reduced_fives, 1), block(reduced_fives, fives, 5)),
            pooled=nn.Sequential(nn.MaxPool2d(3, 1, padding=1), block(inputs, pooled, 1)),
        )


# Table 1: 1×1, reduction before 3×3, 3×3, reduction before 5×5, 5×5, 1×1 after the pooling.
STAGES = {
    3: {"a": (64, 96, 128, 16, 32, 32), "b": (128, 128, 192, 32, 96, 64)},
    4: {
        "a": (192, 96, 208, 16, 48, 64),
        "b": (160, 112, 224, 24, 64, 64),
        "c": (128, 128, 256, 24, 64, 64),
        "d": (112, 144, 288, 32, 64, 64),
        "e": (256, 160, 320, 32, 128, 128),
    },
    5: {"a": (256, 160, 320, 32, 128, 128), "b": (384, 192, 384, 48, 128, 128)},
}
SIZES = ("ones", "reduced_threes", "threes", "reduced_fives", "fives", "pooled")


class GoogLeNet(nn.Sequential):
    """Nine Inception modules, 22 layers deep: (B, 3, 224, 224), or larger than 32 pixels, → (B, classes).

    Table 1, without the auxiliary classifiers, which serve the training of a network without batch normalisation.
    normalise: with batch normalisation, and without the response normalisations (Ioffe and Szegedy 2015).
    """

    def __init__(self, *, classes: int = 1000, dropout: float = 0.4, normalise: bool = False):
        super().__init__()

        def response_norm():
            return nn.Identity() if normalise else nn.LocalResponseNorm(5)

        self.conv1 = convolution(3, 64, 7, stride=2, padding=3, normalise=normalise)  # (64, 112, 112)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)  # (64, 56, 56)
        self.norm1 = response_norm()
        reduction = convolution(64, 64, 1, normalise=normalise)
        self.conv2 = nn.Sequential(reduction, convolution(64, 192, 3, padding=1, normalise=normalise))
        self.norm2 = response_norm()
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)  # (192, 28, 28)
        inputs = 192
        for stage, modules in STAGES.items():
            for letter, sizes in modules.items():
                module = Inception(inputs, **dict(zip(SIZES, sizes, strict=True)), normalise=normalise)
                self.add_module(f"inception_{stage}{letter}", module)
                inputs = sizes[0] + sizes[2] + sizes[4] + sizes[5]
            if stage < 5:
                self.add_module(f"pool{stage}", nn.MaxPool2d(3, 2, ceil_mode=True))
        self.average = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())  # 1024
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(inputs, classes)
        initialise(self, "he")
