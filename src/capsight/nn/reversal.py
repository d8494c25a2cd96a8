"""Gradient reversal: one loss that two sides pull at, and what most often stands on the other side of it."""

import math

import torch
from torch import Tensor, nn


def reverse_gradient(x: Tensor, strength: float) -> Tensor:
    """Return x as it is; the gradient on its way back is multiplied by -strength.

    What comes after minimises the loss, what comes before maximises it. Ganin et al. 2016 (arXiv:1505.07818),
    section 4.2.
    """
    return _Reversal.apply(x, strength)


def reversal_strength(progress: float) -> float:
    """Return λ = 2 / (1 + exp(-10 p)) - 1, which rises from 0 to 1 while progress p does.

    At first the other side knows nothing, and what it says would only be noise. Ganin et al. 2016, section 5.2.2.
    """
    return 2 / (1 + math.exp(-10 * progress)) - 1


class DomainClassifier(nn.Module):
    """Two hidden layers that tell target from source: features (B, D) → logits (B,), positive for the target.

    The gradient that the features get is reversed with `strength`. Computed in float32. There is no BatchNorm: its
    statistics of a batch of both domains would tell them apart by themselves.
    """

    def __init__(self, width: int, hidden: int):
        super().__init__()
        layers = nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor, strength: float) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return self.layers(reverse_gradient(features.float(), strength)).squeeze(1)


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return -ctx.strength * gradient, None
