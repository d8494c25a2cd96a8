"""The building block of convolutional networks: convolution, normalisation, rectification."""

from torch import nn


def convolution(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0, groups: int = 1, normalise=False
) -> nn.Sequential:
    """Return convolution → batch normalisation, with `normalise` → ReLU.

    Each of the `outputs` maps sees a field of `kernel` × `kernel` positions (its local receptive field), with the same
    weights at every position. Before a normalisation, which has a shift of its own, there is no bias.
    """
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=not normalise)
    normalisation = [nn.BatchNorm2d(outputs)] if normalise else []
    return nn.Sequential(conv, *normalisation, nn.ReLU(inplace=True))
