"""AdaBN: batch normalisation with the target's statistics in place of the source's."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from capsight.adaptation.base import Adaptation
from capsight.nn import FrameClassifier, evaluating


class AdaBN(Adaptation):
    """Count the statistics of every batch normalisation anew on unlabelled target frames; no weight changes.

        y = γ (x - μ) / √(σ² + ε) + β,   μ = (1 - s) μ_source + s μ_target,   σ² = (1 - s) σ²_source + s σ²_target

    Li et al. 2016, Revisiting batch normalization for practical domain adaptation (arXiv:1603.04779), algorithm 1;
    the mixture with share s is equation 2 of Schneider et al. 2020 (arXiv:2006.16971).

    μ_target and σ²_target are the mean and the variance over all positions of all frames, whatever the sizes of the
    batches, each frame counting once. While they are counted, the layers before normalise by their own batch, as they
    did in training; so the batches should be mixed well. Findings that are more frequent in the target than in the
    training batches move the statistics too, which no method without labels can tell from a change of capsule.

    share: s in [0, 1]; 1 takes the target's alone, less helps where there are few target frames. Raises ValueError for
    another share, a network without batch normalisation, and no target frames.
    """

    trains = False

    def __init__(self, *, share: float = 1.0):
        super().__init__()
        if not 0 <= share <= 1:
            raise ValueError(f"share={share} is not possible; it is a number from 0 to 1")
        self.share = share

    def prepare(self, network: FrameClassifier, task: str) -> None:
        batch_norms(network)  # said before anything is trained

    @torch.no_grad()
    def after_training(self, network: FrameClassifier, task: str, frames: Callable[[], Iterable[Tensor]]) -> None:
        norms = batch_norms(network)
        moments = [Moments() for _ in norms]
        hooks = [norm.register_forward_pre_hook(seen.add) for norm, seen in zip(norms, moments, strict=True)]
        try:
            with evaluating(network):
                for norm in norms:
                    norm.train()
                for images in frames():
                    network.embed(images)
        finally:
            for hook in hooks:
                hook.remove()
        if moments[0].n == 0:
            raise ValueError("there are no target frames to count the statistics on")
        for norm, seen in zip(norms, moments, strict=True):
            norm.running_mean.lerp_(seen.mean.to(norm.running_mean), self.share)
            norm.running_var.lerp_((seen.squares / seen.n).to(norm.running_var), self.share)


class Moments:
    """Mean and sum of squared deviations of each channel, over all that was added (Chan et al. 1979, equation 2.1)."""

    def __init__(self):
        self.n, self.mean, self.squares = 0, 0.0, 0.0

    def add(self, _: nn.Module, inputs: tuple[Tensor]) -> None:
        """Add the input (B, C, ...) of a layer, as a forward pre-hook."""
        values = inputs[0].detach().float().transpose(0, 1).flatten(1)  # (C, n)
        n, (variance, mean) = values.shape[1], torch.var_mean(values, dim=1, correction=0)
        step, total = mean.double() - self.mean, self.n + n
        self.squares = self.squares + variance.double() * n + step**2 * (self.n * n / total)
        self.mean = self.mean + step * (n / total)
        self.n = total


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """Return the layers that keep statistics of batches. ValueError where there are none."""
    norms = [layer for layer in network.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    if not norms:
        raise ValueError("the network has no batch normalisation; choose another backbone or method")
    return norms
