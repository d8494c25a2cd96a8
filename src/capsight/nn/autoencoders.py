"""Autoencoders: a code from which the input can be had again, learnt without labels."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

NOISES = ("gaussian", "masking")
SPARSITIES = ("kl", "l1")


class Autoencoder(nn.Module):
    """Fully connected layers down to a code and, mirrored, up again: (B, …) → the same shape.

    sizes: numbers in an input, in each hidden layer, and in the code. ReLUs stand between the layers; the code and the
    reconstruction are linear, so that a wide code can pass on anything. Hinton and Salakhutdinov 2006, Reducing the
    dimensionality of data with neural networks. Raises ValueError where there are fewer than two sizes.
    """

    def __init__(self, sizes: Sequence[int] = (784, 128, 32)):
        super().__init__()
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes is {tuple(sizes)}; give at least the numbers in an input and in its code")
        self.encoder = _layers(sizes)
        self.decoder = _layers(tuple(sizes)[::-1])

    def encode(self, inputs: Tensor) -> Tensor:
        """(B, …) → the code (B, sizes[-1])."""
        return self.encoder(inputs.flatten(1))

    def decode(self, code: Tensor) -> Tensor:
        """(B, sizes[-1]) → (B, sizes[0])."""
        return self.decoder(code)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.decode(self.encode(inputs)).view_as(inputs)


class DenoisingAutoencoder(Autoencoder):
    """An autoencoder that sees its input spoilt while it learns, and is to give the clean one.

    noise: "gaussian" adds noise of standard deviation `strength`; "masking" sets the share `strength` of the numbers to
    zero. In evaluation mode nothing is spoilt. Vincent et al. 2010, Stacked denoising autoencoders, section 3.3.
    Raises ValueError for an unknown noise, a negative strength, and a share above 1.
    """

    def __init__(self, sizes: Sequence[int] = (784, 128, 32), *, noise: str = "gaussian", strength: float = 0.3):
        super().__init__(sizes)
        if noise not in NOISES:
            raise ValueError(f"noise: one of {', '.join(NOISES)} expected, got {noise!r}")
        if not 0 <= strength <= (1 if noise == "masking" else float("inf")):
            raise ValueError(f"strength: {strength} is no standard deviation, or no share, of {noise} noise")
        self.noise, self.strength = noise, strength

    def corrupt(self, inputs: Tensor) -> Tensor:
        """Spoil the inputs, whatever the mode."""
        if self.noise == "masking":
            return inputs * (torch.rand_like(inputs) >= self.strength)
        return inputs + self.strength * torch.randn_like(inputs)

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(self.corrupt(inputs) if self.training else inputs)


class SparseAutoencoder(Autoencoder):
    """An autoencoder of whose code only a few numbers may be active at a time; `penalty` goes into the loss.

    - kl: the code is in [0, 1], and each unit's mean over the batch, ρ̂, is to be `activity`, ρ:
      Σ ρ log(ρ / ρ̂) + (1 - ρ) log((1 - ρ) / (1 - ρ̂)) over the units (Ng 2011, CS294A lecture notes, section 3).
    - l1: the code is at least 0, and the sum over the units of its mean is to be small.

    Raises ValueError for an unknown sparsity and an activity that is not between 0 and 1.
    """

    def __init__(self, sizes: Sequence[int] = (784, 256), *, sparsity: str = "kl", activity: float = 0.05):
        super().__init__(sizes)
        if sparsity not in SPARSITIES:
            raise ValueError(f"sparsity: one of {', '.join(SPARSITIES)} expected, got {sparsity!r}")
        if not 0 < activity < 1:
            raise ValueError(f"activity: a mean between 0 and 1 expected, got {activity}")
        self.sparsity, self.activity = sparsity, activity

    def encode(self, inputs: Tensor) -> Tensor:
        code = super().encode(inputs)
        return code.sigmoid() if self.sparsity == "kl" else code.relu()

    def penalty(self, code: Tensor) -> Tensor:
        """(B, D) → a scalar."""
        mean = code.mean(0)
        if self.sparsity == "l1":
            return mean.sum()
        wanted, mean = torch.full_like(mean, self.activity), mean.clamp(1e-6, 1 - 1e-6)
        return (torch.xlogy(wanted, wanted / mean) + torch.xlogy(1 - wanted, (1 - wanted) / (1 - mean))).sum()


class ConvAutoencoder(nn.Module):
    """Convolutions that halve the image, one for each step of `channels`, and transposed ones back: a map as code.

    (B, channels[0], H, W) → the same, code (B, channels[-1], H / 2^n, W / 2^n) for n steps. Masci et al. 2011, Stacked
    convolutional auto-encoders, with strides in the place of pooling. Raises ValueError where a side cannot be halved
    so often.
    """

    def __init__(self, channels: Sequence[int] = (3, 16, 32, 8)):
        super().__init__()
        down, up = [], []
        for inputs, outputs in pairwise(channels):
            down += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ReLU()]
            up = [nn.ConvTranspose2d(outputs, inputs, 4, stride=2, padding=1), nn.ReLU(), *up]
        self.encoder, self.decoder = nn.Sequential(*down[:-1]), nn.Sequential(*up[:-1])
        self.factor = 2 ** (len(channels) - 1)

    def encode(self, images: Tensor) -> Tensor:
        """(B, C, H, W) → the code, a map."""
        if images.shape[-1] % self.factor or images.shape[-2] % self.factor:
            raise ValueError(f"sides of {tuple(images.shape[-2:])} pixels: multiples of {self.factor} expected")
        return self.encoder(images)

    def decode(self, code: Tensor) -> Tensor:
        """A map → images."""
        return self.decoder(code)

    def forward(self, images: Tensor) -> Tensor:
        return self.decode(self.encode(images))


class StackedDenoisingAutoencoder(nn.Module):
    """Denoising autoencoders of one hidden layer each, every one on the codes of those below: (B, D) in [0, 1].

    They are pretrained one after the other: `layers[k]`, whose reconstruction is a logit, learns from `below(inputs,
    k)`. `encode` gives the topmost code. Masking noise and sigmoid units as in Vincent et al. 2010, Stacked denoising
    autoencoders, section 3.5; over patients' records: Miotto et al. 2016, Deep Patient.
    """

    def __init__(self, sizes: Sequence[int] = (784, 500, 500, 500), *, strength: float = 0.25):
        super().__init__()
        self.layers = nn.ModuleList(_SigmoidLayer(pair, noise="masking", strength=strength) for pair in pairwise(sizes))

    def below(self, inputs: Tensor, k: int) -> Tensor:
        """What layer `k` gets as its input when nothing is spoilt: (B, sizes[k]); layer 0 gets the inputs."""
        for layer in self.layers[:k]:
            inputs = layer.encode(inputs)
        return inputs

    def encode(self, inputs: Tensor) -> Tensor:
        """(B, sizes[0]) → (B, sizes[-1])."""
        return self.below(inputs, len(self.layers))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the reconstruction through all layers, in [0, 1]."""
        code = self.encode(inputs)
        for layer in reversed(self.layers):
            code = layer.decode(code).sigmoid()
        return code


class _SigmoidLayer(DenoisingAutoencoder):
    def encode(self, inputs: Tensor) -> Tensor:
        return super().encode(inputs).sigmoid()


def _layers(sizes: Sequence[int]) -> nn.Sequential:
    layers = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
