"""Views of any network: the filters of its first layer, and what its layers make of one frame."""

import difflib
import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from capsight.errors import UserError
from capsight.nn import evaluating

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
MOST_PREFIX_TOKENS = 5  # a class token and four registers


def first_filters(network: nn.Module) -> Tensor:
    """Return the filters (n, channels, k, k) of the first convolution; of a vision transformer, its patch embedding.

    Raises UserError for a network without convolution.
    """
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    if first is None:
        raise UserError(f"{type(network).__name__} has no convolution, so there are no first-layer filters to show.")
    return first.weight.detach().float().cpu().clone()


def stages(network: nn.Module) -> list[str]:
    """Name the layers to look at where none are named: timm's stages, else every convolution."""
    names = dict(network.named_modules())
    for prefix, module in names.items():
        described = [f"{prefix}.{stage['module']}".lstrip(".") for stage in getattr(module, "feature_info", [])]
        if found := [name for name in described if name in names]:
            return found
    return [name for name, module in names.items() if isinstance(module, CONVOLUTIONS)]


def feature_maps(
    network: nn.Module,
    image: Tensor,
    layers: Sequence[str] | None = None,
    *,
    maximum: int = 64,
    choose: str = "strongest",
) -> dict[str, Tensor]:
    """Return the feature maps (channels, h, w) of `layers` for one image, in the order in which they are computed.

    image: (1, channels, H, W) as the network takes it. layers: names as in `network.named_modules()`; None for
    `stages`. At most `maximum` channels each: "strongest", with the highest mean absolute value first, or "first".
    Tokens are laid out as the grid they come from. A layer is left out where its output is no tensor or has no
    positions; of one that is used twice, the last use counts. The network runs in evaluation mode and is left as it
    was, without hooks. Raises UserError for a layer that does not exist, and where no layer has a map.
    """
    if choose not in ("strongest", "first"):
        raise ValueError(f"choose={choose!r} is neither 'strongest' nor 'first'")
    if maximum < 1:
        raise UserError(f"maximum={maximum} channels cannot be shown; ask for at least 1.")
    if image.ndim != 4 or len(image) != 1:
        raise ValueError(f"one image (1, channels, H, W) is needed, not a tensor of shape {tuple(image.shape)}")
    wanted = stages(network) if layers is None else list(layers)
    modules = named_layers(network, wanted)
    prefix = next(
        (module.num_prefix_tokens for module in network.modules() if hasattr(module, "num_prefix_tokens")), None
    )
    maps: dict[str, Tensor] = {}

    def keep(name: str) -> Callable:
        def hook(module: nn.Module, inputs: tuple, output: object) -> None:
            grid = as_grid(output, image.shape[-2:], prefix)
            if grid is not None:
                maps.pop(name, None)  # of an earlier use: the order is that of the last ones
                maps[name] = _chosen(grid[0], maximum, choose)

        return hook

    with evaluating(network), torch.no_grad(), ExitStack() as hooks:
        for name, module in modules.items():
            hooks.callback(module.register_forward_hook(keep(name)).remove)
        network(image)
    if not maps:
        raise UserError(f"none of these layers has a map to show: {', '.join(wanted) or 'no layer'}; name others.")
    return maps


def tokens_as_grid(tokens: Tensor, size: Sequence[int], prefix: int | None = None) -> Tensor | None:
    """Lay tokens (B, N, channels) of images of `size` (height, width) out as (B, channels, h, w), row by row.

    prefix: how many tokens in front belong to no position; None where that is not known. None where N does not fit.
    """
    aspect, count = size[0] / size[1], tokens.shape[1] - (prefix or 0)
    if count < 1:
        return None
    height, width = (math.floor(math.sqrt(count * ratio) + 1e-6) for ratio in (aspect, 1 / aspect))
    surplus = count - height * width
    if surplus if prefix is not None else surplus > MOST_PREFIX_TOKENS:
        return None
    return tokens[:, -height * width :].transpose(1, 2).unflatten(2, (height, width))


def named_layers(network: nn.Module, wanted: Sequence[str]) -> dict[str, nn.Module]:
    """Return the modules of these names. UserError, with close names, for one that does not exist."""
    known = dict(network.named_modules())
    for name in wanted:
        if name not in known or not name:
            close = difflib.get_close_matches(name, known, n=5, cutoff=0.4) or [name for name in known if name][:5]
            raise UserError(f"{type(network).__name__} has no layer {name!r}; some that it has: {', '.join(close)}.")
    return {name: known[name] for name in wanted}


def as_grid(output: object, size: Sequence[int], prefix: int | None) -> Tensor | None:
    """Return a layer's output as maps (B, channels, h, w), or None where it has no positions."""
    if not isinstance(output, Tensor) or output.is_complex() or output.numel() == 0:
        return None
    if output.ndim == 3:
        return tokens_as_grid(output, size, prefix)
    if output.ndim != 4:
        return None
    # (B, channels, h, w) or (B, h, w, channels): positions are the two whose ratio is nearer to the image's.
    first, last = (abs(math.log(output.shape[i] / output.shape[i + 1] * size[1] / size[0])) for i in (2, 1))
    return output if first <= last else output.permute(0, 3, 1, 2)


def _chosen(maps: Tensor, maximum: int, choose: str) -> Tensor:
    """Return at most `maximum` channels as a copy, because a later layer may write into the same memory."""
    maps = maps.detach().float()
    if choose == "strongest":
        maps = maps[maps.abs().mean(dim=(1, 2)).argsort(descending=True, stable=True)]
    return maps[:maximum].cpu().clone()
