"""LeNet-5, which read the numbers on cheques."""

from torch import nn


class LeNet5(nn.Sequential):
    """Two convolutions with subsampling, then three layers that see everything: (B, 1, 32, 32) → (B, classes).

    LeCun et al. 1998, Gradient-based learning applied to document recognition, figure 2, in the form in which it is
    taught: subsampling without weights, every map of C3 sees every map of S2, and the outputs are logits.
    """

    def __init__(self, *, classes: int = 10):
        super().__init__()
        self.c1 = nn.Sequential(nn.Conv2d(1, 6, 5), nn.Tanh())  # (6, 28, 28)
        self.s2 = nn.AvgPool2d(2)  # (6, 14, 14)
        self.c3 = nn.Sequential(nn.Conv2d(6, 16, 5), nn.Tanh())  # (16, 10, 10)
        self.s4 = nn.AvgPool2d(2)  # (16, 5, 5)
        self.c5 = nn.Sequential(nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten())  # 120
        self.f6 = nn.Sequential(nn.Linear(120, 84), nn.Tanh())
        self.output = nn.Linear(84, classes)
