"""MixStyle: frames that lend each other the statistics of their features."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from capsight.adaptation.base import Adaptation
from capsight.nn import FrameClassifier


class MixStyle(Adaptation):
    """Mix mean and standard deviation of a frame's first feature maps with those of another frame of the batch.

        x' = γ (x - μ(x)) / σ(x) + β,   γ = λ σ(x) + (1 - λ) σ(x̃),   β = λ μ(x) + (1 - λ) μ(x̃),   λ ~ Beta(α, α)

    μ and σ are those of each channel over the positions of one frame; x̃ is a random frame of the batch, of any source
    capsule or of the target. Zhou et al. 2021, Domain generalization with MixStyle (arXiv:2104.02008), equations 4 to
    6; no gradient flows through μ and σ, as theirs.

    Only while the network is trained, and so not where its dropout alone is switched on.

    p: chance of a batch to be mixed, at each layer. alpha: α; small values leave most frames nearly as they are or give
    them the other's style. layers: names in the timm trunk, of layers that give maps (B, C, h, w). Raises ValueError
    for other settings, and for layers that the backbone does not have.
    """

    needs_target = True

    def __init__(self, *, p: float = 0.5, alpha: float = 0.1, layers: Sequence[str] = ("layer1", "layer2")):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p={p} is not possible; it is a number from 0 to 1")
        if not alpha > 0:
            raise ValueError(f"alpha={alpha} is not possible; it is a number above 0")
        self.p, self.alpha, self.layers = p, alpha, tuple(layers)

    def prepare(self, network: FrameClassifier, task: str) -> None:
        trunk = network.backbone.trunk
        known = dict(trunk.named_modules())
        for name in self.layers:
            if name not in known:
                first = ", ".join(child for child, _ in trunk.named_children())
                raise ValueError(f"the backbone has no layer {name!r}; choose some of {first}, or within these")
            known[name].register_forward_hook(self._mix)

    def _mix(self, layer: nn.Module, _: tuple[Tensor], features: Tensor) -> Tensor:
        if not (self.training and layer.training) or torch.rand(()) >= self.p:
            return features
        if features.ndim != 4:
            raise ValueError(f"MixStyle needs maps (B, C, h, w), and a layer gives {tuple(features.shape)}")
        share = torch.distributions.Beta(self.alpha, self.alpha).sample((len(features), 1, 1, 1)).to(features.device)
        return mix(features, share, torch.randperm(len(features), device=features.device))


def mix(features: Tensor, share: Tensor, partner: Tensor) -> Tensor:
    """Return maps (B, C, h, w) with a share (B, 1, 1, 1) of their own style and the rest of row `partner` (B,)."""
    wide = features.float()
    variance, mean = torch.var_mean(wide.detach(), dim=(2, 3), keepdim=True)
    std = (variance + 1e-6).sqrt()
    new_mean, new_std = (share * own + (1 - share) * own[partner] for own in (mean, std))
    return ((wide - mean) * (new_std / std) + new_mean).to(features.dtype)
