"""Backbones: any timm network as a trunk that turns frames into a map of features."""

from pathlib import Path

import timm
import torch
from torch import Tensor, nn


class WeightsError(Exception):
    """The weights that were asked for cannot be had; the message says why and what to do."""


class Backbone(nn.Module):
    """A timm network without its classifier, and the mean over positions as the pooled feature.

    The mean is linear, so class activation maps of a linear head on it are exact. Networks with tokens instead of a
    grid (vision transformers) are pooled over the tokens of the image.

    Input (B, 3, H, W) float in [0, 1]; `forward` gives (B, D). `image_size` (pixels) is needed by networks of a fixed
    size only. `drop_path` is the rate of stochastic depth (Huang et al. 2016) of the deepest block; `output_stride`, 8
    or 16, gives a finer map than the 32 pixels per position that most networks have. Raises ValueError for an unknown
    name or a network that does not know one of these, WeightsError where weights cannot be loaded.
    """

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool = False,
        weights: str | Path | None = None,
        image_size: int | None = None,
        drop_path: float = 0.0,
        output_stride: int | None = None,
    ):
        super().__init__()
        if not timm.is_model(name):
            close = timm.list_models(f"*{name[:6]}*")[:5] or timm.list_models("resnet*")[:5]
            raise ValueError(f"timm knows no backbone {name!r}; some that it knows: {', '.join(close)}")
        asked = {"drop_path_rate": drop_path or None, "output_stride": output_stride}
        self.trunk = _create(name, pretrained, image_size, {key: value for key, value in asked.items() if value})
        self.drops = drop_path > 0
        if weights is not None:
            load_weights(self.trunk, weights)
        self.width = self.trunk.num_features
        config = self.trunk.pretrained_cfg
        self.register_buffer("mean", torch.tensor(config["mean"]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config["std"]).view(3, 1, 1), persistent=False)

    def feature_map(self, images: Tensor) -> Tensor:
        """Return the last features: (B, D, h, w), or (B, N, D) for networks with tokens."""
        features = self.trunk.forward_features((images - self.mean) / self.std)
        channels_last = features.ndim == 4 and features.shape[1] != self.width
        return features.permute(0, 3, 1, 2) if channels_last else features

    def pool(self, features: Tensor) -> Tensor:
        """Average a feature map over its positions, in float32: (B, D)."""
        features = features.float()
        if features.ndim == 4:
            return features.mean(dim=(2, 3))
        return features[:, getattr(self.trunk, "num_prefix_tokens", 0) :].mean(dim=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.pool(self.feature_map(images))


def load_weights(trunk: nn.Module, file: str | Path) -> None:
    """Load a state dict (.pth, .safetensors) without its classifier. WeightsError where it does not fit."""
    try:
        state = timm.models.load_state_dict(str(file), weights_only=True)
    except Exception as error:  # torch and safetensors raise many kinds, all of them mean the same to the user
        raise WeightsError(f"cannot load weights from {file}: {_first_line(error)}") from error
    wanted = trunk.state_dict()
    state = {name.removeprefix("backbone.trunk."): value for name, value in state.items()}
    missing = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    wrong = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
    if missing or wrong:
        raise WeightsError(
            f"the weights in {file} are of another network: {len(missing)} tensors are missing and {len(wrong)} have "
            f"another shape (first: {(missing + wrong)[0]})"
        )
    trunk.load_state_dict({name: state[name] for name in wanted if name in state}, strict=False)


def _create(name: str, pretrained: bool, image_size: int | None, asked: dict) -> nn.Module:
    fixed = image_size is not None and timm.models.get_pretrained_cfg(name).fixed_input_size
    settings = {"img_size": image_size} if fixed else {}
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, **settings, **asked)
    except Exception as error:
        if asked and not pretrained:
            told = ", ".join(f"{key}={value}" for key, value in asked.items())
            raise ValueError(f"{name} cannot be had with {told}; leave it out") from error
        if not pretrained:
            raise
        raise WeightsError(f"the pretrained weights of {name} cannot be loaded: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
