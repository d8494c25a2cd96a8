"""AlexNet, as it won in 2012."""

from torch import nn

from .convolution import convolution
from .initialisation import initialise


class AlexNet(nn.Sequential):
    """Five convolutions and three linear layers: (B, 3, 227, 227) → (B, classes).

    Krizhevsky et al. 2012, ImageNet classification with deep convolutional neural networks, section 3. Layers 2, 4 and
    5 see only the maps that were on the same of the two graphics cards: groups of two. (The paper writes 224 pixels,
    from which 55 × 55 positions do not follow.) image_size: 67 pixels or more. The weights
    begin as He et al. 2015 draw them: with those of the paper, the first epochs go by without progress.
    """

    def __init__(self, *, classes: int = 1000, image_size: int = 227, dropout: float = 0.5):
        if image_size < 67:
            raise ValueError(f"image_size is {image_size}; AlexNet needs 67 pixels or more")
        super().__init__()
        self.conv1 = convolution(3, 96, 11, stride=4)  # (96, 55, 55)
        self.norm1 = _response_norm()
        self.pool1 = nn.MaxPool2d(3, 2)  # (96, 27, 27): the windows overlap
        self.conv2 = convolution(96, 256, 5, padding=2, groups=2)  # (256, 27, 27)
        self.norm2 = _response_norm()
        self.pool2 = nn.MaxPool2d(3, 2)  # (256, 13, 13)
        self.conv3 = convolution(256, 384, 3, padding=1)
        self.conv4 = convolution(384, 384, 3, padding=1, groups=2)
        self.conv5 = convolution(384, 256, 3, padding=1, groups=2)
        self.pool5 = nn.MaxPool2d(3, 2)  # (256, 6, 6)
        self.flatten = nn.Flatten()
        side = (image_size - 11) // 4 + 1
        for _ in range(3):
            side = (side - 3) // 2 + 1
        self.fc6 = nn.Sequential(nn.Dropout(dropout), nn.Linear(256 * side**2, 4096), nn.ReLU(inplace=True))
        self.fc7 = nn.Sequential(nn.Dropout(dropout), nn.Linear(4096, 4096), nn.ReLU(inplace=True))
        self.fc8 = nn.Linear(4096, classes)
        initialise(self, "he")


def _response_norm() -> nn.LocalResponseNorm:
    """Section 3.3: n = 5, k = 2, β = 0.75, α = 1e-4, which torch divides by n."""
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
