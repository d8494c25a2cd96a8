"""Which part of the image a unit sees: calculated from the layers, and measured by gradients."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .modes import evaluating

WINDOWS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


class ReceptiveField(NamedTuple):
    """In pixels: the side of the field, the step between neighbouring units, where the first unit's field begins."""

    size: int
    step: int
    start: int


def receptive_field(layers: Iterable[nn.Module]) -> ReceptiveField:
    """Follow the field of a unit of the last layer back through a chain of convolutions and poolings.

    Modules that work on each position by itself do not change it; a Sequential is the chain of its modules. Of an
    oblong window the vertical side is taken. Raises TypeError for a module that sees all positions at once.
    """
    size, step, start = 1, 1, 0
    for layer in _chain(layers):
        if isinstance(layer, WINDOWS):
            kernel, stride, padding = (_vertical(value) for value in (layer.kernel_size, layer.stride, layer.padding))
            size += (kernel - 1) * _vertical(getattr(layer, "dilation", 1)) * step
            start -= padding * step
            step *= stride
        elif isinstance(layer, nn.Linear | nn.Flatten | nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
            raise TypeError(f"a {type(layer).__name__} sees all positions; its field is the whole image")
    return ReceptiveField(size, step, start)


def footprint(network: nn.Module, input_shape: tuple[int, int, int], *, draws: int = 128, seed: int = 0) -> Tensor:
    """Return the size of the gradient of the middle unit with respect to every pixel, (H, W), 0 where it sees nothing.

    It is summed over the maps and over `draws` random images, because a maximum passes the gradient to one of its
    inputs only. input_shape: (C, H, W).
    """
    random = torch.Generator().manual_seed(seed)
    images = torch.randn(draws, *input_shape, generator=random).requires_grad_()
    with evaluating(network):
        maps = network(images)
        gradients = torch.autograd.grad(maps[..., maps.shape[-2] // 2, maps.shape[-1] // 2].sum(), images)[0]
    return gradients.abs().sum(dim=(0, 1))


def _chain(layers: Iterable[nn.Module]) -> Iterable[nn.Module]:
    for layer in layers:
        yield from _chain(layer) if isinstance(layer, nn.Sequential) else (layer,)


def _vertical(value: int | tuple[int, int]) -> int:
    return value[0] if isinstance(value, tuple) else value
