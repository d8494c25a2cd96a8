"""Class activation maps: in closed form for the last features, by gradients for any layer.

`model` is a FrameLearner, which has maps of its findings, or a FrameClassifier, which has maps of its outputs.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from capsight.errors import UserError
from capsight.explain.views import as_grid, named_layers, stages, tokens_as_grid
from capsight.learning.frame_learner import FrameLearner
from capsight.nn import FrameClassifier, evaluating


@torch.no_grad()  # not inference_mode: what networks cache in it (masks, position codes) could not be trained with
def class_activation_maps(model: FrameLearner | FrameClassifier, images: Tensor) -> Tensor:
    """Return the map of every finding (B, C, h, w), from one forward pass and no backward pass.

    images: (B, 3, H, W), float in [0, 1] or uint8. The unit is the logit's: the mean of a map over its positions and
    the classifier's bias make the logit. So it is Grad-CAM of the last features times h * w, unless embeddings have
    unit length: Grad-CAM leaves their length out, and its maps have a mean of zero. With exclusive classes a finding is
    weighed against its competitors, see `linear_parts`. Zhou et al. 2016, Learning deep features for discriminative
    localization, eq. 2. Raises UserError where the features are not one vector per position.
    """
    return weighted(*linear_parts(model, images))


@torch.no_grad()
def linear_parts(model: FrameLearner | FrameClassifier, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the maps are made of: weights (B, C, D) and the embedding at each position (B, D, h, w), in float32.

    The log odds of exclusive classes, z_f - log(sum of exp(z_k) over k ≠ f), are not linear. They are taken as they
    change at this frame: z_f minus the mean of its competitors z_k, each weighted with its probability among them.
    With the class's own z_f, what all classes have in common would light up, though it makes none more probable.
    """
    network = getattr(model, "network", model)
    with evaluating(network):
        positions = embedding_map(network, images)
        logits = network.classify(positions.mean(dim=(2, 3)))
    weights = network.head.classifier.weight.float().expand(len(images), -1, -1)
    if getattr(model, "task", "multilabel") == "exclusive":
        with _float32(logits):
            weights = _contrasts(logits) @ weights
    return weights, positions


def embedding_map(network: FrameClassifier, images: Tensor) -> Tensor:
    """Return the embedding of each position (B, D, h, w); their mean is the embedding of the frame.

    Embeddings of unit length: all positions are divided by the length of the whole, so that this holds for them too.
    """
    features = network.backbone.feature_map(as_fractions(images)).float()
    if features.ndim == 3:
        prefix = getattr(network.backbone.trunk, "num_prefix_tokens", 0)
        features = tokens_as_grid(features, images.shape[-2:], prefix)
    if features is None:
        raise UserError("the backbone's features are not one vector per position, so there is no map of them.")
    with _float32(features):
        positions = network.head.projection(features.movedim(1, 3)).movedim(3, 1)
    if network.head.normalise:
        positions = positions / positions.mean(dim=(2, 3), keepdim=True).norm(dim=1, keepdim=True).clamp_min(1e-12)
    return positions


def weighted(weights: Tensor, positions: Tensor) -> Tensor:
    """Sum (B, D, h, w) over its D features by each of the weights (B, C, D): (B, C, h, w)."""
    with _float32(positions):
        return torch.einsum("bcd,bdhw->bchw", weights, positions)


def gradient_activation_maps(
    model: FrameLearner | FrameClassifier, images: Tensor, findings: Sequence[int], layer: str | None = None
) -> Tensor:
    """Return the Grad-CAM (B, n, h, w) of n findings (positions) at a layer, with its sign, from one forward pass.

    layer: a module's name in the timm network, such as "layer3.1.conv2"; None for the last stage. Of a layer that is
    used twice the last use counts. Selvaraju et al. 2017, eq. 1 and 2, without the ReLU. Captum's LayerGradCam takes
    the second dimension for the channels, which tokens and channels-last networks have elsewhere. Raises UserError for
    a layer that does not exist or has no map.
    """
    trunk = getattr(model, "network", model).backbone.trunk
    name = layer or next(reversed(stages(trunk)), "")
    module = named_layers(trunk, [name])[name]
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple, output: object) -> Tensor | None:
        if not isinstance(output, Tensor):
            return None
        kept[:] = [output.detach().requires_grad_()]
        return kept[0].clone()  # a later layer may write into its input

    with evaluating(model), torch.enable_grad():
        hook = module.register_forward_hook(keep)
        try:
            logits = model(as_fractions(images))
        finally:
            hook.remove()
        gradients = [torch.autograd.grad(logits[:, f].sum(), kept, retain_graph=True)[0] for f in findings if kept]
    prefix = getattr(trunk, "num_prefix_tokens", 0)
    grids = [as_grid(values.detach(), images.shape[-2:], prefix) for values in (*kept, *gradients)]
    if not grids or grids[0] is None:
        raise UserError(f"layer {name!r} has no positions to map; name one that has, such as {stages(trunk)[-1]!r}.")
    weights = torch.stack([gradient.mean(dim=(2, 3)) for gradient in grids[1:]], dim=1)
    return weighted(weights.float(), grids[0].float())


def as_fractions(images: Tensor) -> Tensor:
    """Return uint8 images as float in [0, 1], and others as they are."""
    return images if images.is_floating_point() else images.float() / 255


def in_view(images: Tensor) -> Tensor:
    """Return where frames (B, 3, S, S) are not black, bool (B, 1, S, S)."""
    return (images > 0).any(dim=1, keepdim=True)


def upsampled(maps: Tensor, size: int) -> Tensor:
    """Scale maps (B, C, h, w) to (B, C, size, size), bilinearly."""
    return F.interpolate(maps, size=(size, size), mode="bilinear", align_corners=False)


def _float32(tensor: Tensor) -> torch.autocast:
    """Return the context in which a sum keeps its digits under autocast, as the head of the network does."""
    return torch.autocast(tensor.device.type, enabled=False)


def _contrasts(logits: Tensor) -> Tensor:
    """Return how much each finding's log odds change with each of the logits (B, F + 1): (B, F, F + 1)."""
    itself = torch.eye(logits.shape[1], device=logits.device)
    among_others = logits.unsqueeze(1).masked_fill(itself.bool(), float("-inf")).softmax(dim=2)
    return (itself - among_others)[:, 1:]
