"""Monte Carlo dropout: the same frames several times through a network that drops features at random.

Gal and Ghahramani 2016, Dropout as a Bayesian approximation. The head's own dropout needs the trunk once only.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from capsight.errors import UserError
from capsight.learning.targets import finding_logits
from capsight.nn import evaluating

ELEMENTS = 1 << 24  # features of all passes at a time: 64 MB


@torch.no_grad()
def mc_dropout(
    model: nn.Module, images: Tensor, *, passes: int = 30, deep: bool = False, seed: int | None = None
) -> Tensor:
    """Return the probabilities of each pass (T, B, C).

    model: a FrameLearner, a FrameClassifier, or a timm network with its classifier and `drop_rate`. images (B, 3, H, W)
    as the model takes them. deep: also sample what the trunk has (functional dropout, DropPath), at the price of T
    forward passes. seed: of the passes; without it they follow torch's generator. Batch normalisation stays in
    evaluation mode; the model's modes and buffers and the generator are afterwards as before, also after an exception.
    Raises UserError where the model has nothing to drop, so that its passes would all be the same.
    """
    _check(passes)
    network = getattr(model, "network", model)
    with evaluating(network), torch.random.fork_rng(devices=_accelerators(images)):
        if seed is not None:
            torch.manual_seed(seed)
        if deep:
            _sample(network)
            logits = torch.stack([network(images) for _ in range(passes)])
        else:
            trunk, head = _parts(network)
            logits = _repeat(head, trunk(images), passes)
    if passes > 1 and len(images) and (logits == logits[0]).all():
        raise UserError(_nothing_to_drop(network, deep))
    return _probabilities(model, logits)


@torch.no_grad()
def head_passes(model: nn.Module, embedding: Tensor, *, passes: int, seed: int | None = None) -> Tensor:
    """Return the probabilities of each pass (T, B, C) of a FrameLearner or FrameClassifier, from embeddings (B, D)."""
    _check(passes)
    network = getattr(model, "network", model)
    with evaluating(network), torch.random.fork_rng(devices=_accelerators(embedding)):
        if seed is not None:
            torch.manual_seed(seed)
        network.head.dropout.train()
        return _probabilities(model, _repeat(network.classify, embedding, passes))


def can_drop(model: nn.Module, deep: bool) -> bool:
    """Tell whether the passes of a FrameLearner or FrameClassifier can differ."""
    network = getattr(model, "network", model)
    return network.head.dropout.p > 0 or (deep and network.backbone.drops)


def _parts(network: nn.Module) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Split a network into what is computed once and what is sampled, and switch the latter's dropout on."""
    if hasattr(network, "head") and hasattr(network, "classify"):
        network.head.dropout.train()
        return network.embed, network.classify
    if hasattr(network, "forward_features") and hasattr(network, "forward_head"):
        network.training = True  # timm's heads call F.dropout(training=self.training); its modules stay as they are
        for module in network.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0:
                module.train()
        features = network.forward_features
        return _in_evaluation(network, features), network.forward_head
    raise UserError(f"{type(network).__name__} has no head of its own to sample; use deep=True.")


def _in_evaluation(network: nn.Module, forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Wrap a trunk so that it is computed in evaluation mode, whatever the mode around it."""

    def run(images: Tensor) -> Tensor:
        with evaluating(network):
            return forward(images)

    return run


def _sample(network: nn.Module) -> None:
    """Put everything into training mode but the layers that would learn from the batch (batch normalisation)."""
    for module in network.modules():
        module.training = getattr(module, "running_mean", None) is None


def _repeat(head: Callable[[Tensor], Tensor], features: Tensor, passes: int) -> Tensor:
    """Send the same features through the head `passes` times, as many at once as fit: (T, B, C)."""
    at_once = max(1, ELEMENTS // max(1, features.numel()))
    logits = []
    for start in range(0, passes, at_once):
        n = min(at_once, passes - start)
        repeated = features.expand(n, *features.shape).flatten(0, 1)
        logits.append(head(repeated).unflatten(0, (n, len(features))))
    return torch.cat(logits)


def _probabilities(model: nn.Module, logits: Tensor) -> Tensor:
    task = getattr(model, "task", "multilabel")
    return finding_logits(logits.flatten(0, 1).float(), task).unflatten(0, logits.shape[:2]).sigmoid()


def _accelerators(tensor: Tensor) -> list[torch.device]:
    return [] if tensor.device.type == "cpu" else [tensor.device]


def _check(passes: int) -> None:
    if passes < 1:
        raise UserError(f"passes={passes} is not possible; use 1 or more, as in passes=30.")


def _nothing_to_drop(network: nn.Module, deep: bool) -> str:
    more = "" if deep else ", or sample the trunk as well with deep=True"
    return (
        f"all passes of {type(network).__name__} are the same, because it has no dropout; train it with model.dropout "
        f"above 0{more}."
    )
