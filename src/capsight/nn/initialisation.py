"""How the weights of a network begin."""

import torch
from torch import nn

SCHEMES = ("he", "glorot", "gaussian")


@torch.no_grad()
def initialise(network: nn.Module, scheme: str = "he") -> nn.Module:
    """Draw the weights of all convolutions and linear layers anew, set their biases to 0, and return `network`.

    he: variance 2 / inputs, which keeps the signal's size through ReLUs (He et al. 2015, Delving deep, eq. 10).
    glorot: variance 2 / (inputs + outputs), which does so without them (Glorot and Bengio 2010, eq. 12). gaussian:
    standard deviation 0.01, whatever the width (Krizhevsky et al. 2012, section 5). ValueError for another scheme.
    """
    draw = {
        "he": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
        "glorot": nn.init.xavier_normal_,
        "gaussian": lambda weight: nn.init.normal_(weight, std=0.01),
    }
    if scheme not in draw:
        raise ValueError(f"there is no initialisation {scheme!r}; choose {', '.join(SCHEMES)}")
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            draw[scheme](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
