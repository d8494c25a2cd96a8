"""VGG: nothing but 3 × 3 convolutions, many of them."""

from collections.abc import Sequence

from torch import nn

from .convolution import convolution
from .initialisation import initialise

WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Sequential):
    """Five stages of 3 × 3 convolutions and poolings, then three linear layers: (B, 3, S, S) → (B, classes).

    Simonyan and Zisserman 2015, Very deep convolutional networks for large-scale image recognition, table 1.
    depths: convolutions per stage. image_size: S, a multiple of 32. normalise: with batch normalisation, which came
    after the paper.
    """

    def __init__(
        self,
        depths: Sequence[int],
        *,
        classes: int = 1000,
        image_size: int = 224,
        dropout: float = 0.5,
        normalise: bool = False,
    ):
        if image_size < 32 or image_size % 32:
            raise ValueError(f"image_size is {image_size}; VGG needs a multiple of 32 pixels")
        super().__init__()
        self.features, inputs = nn.Sequential(), 3
        for depth, width in zip(depths, WIDTHS, strict=True):
            for _ in range(depth):
                self.features.append(convolution(inputs, width, 3, padding=1, normalise=normalise))
                inputs = width
            self.features.append(nn.MaxPool2d(2))
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(inputs * (image_size // 32) ** 2, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, classes),
        )
        initialise(self, "he")


class VGG16(VGG):
    """Configuration D: 13 convolutions and 3 linear layers, 138 million parameters."""

    def __init__(self, **settings):
        super().__init__((2, 2, 3, 3, 3), **settings)


class VGG19(VGG):
    """Configuration E: 16 convolutions and 3 linear layers, 144 million parameters."""

    def __init__(self, **settings):
        super().__init__((2, 2, 4, 4, 4), **settings)
