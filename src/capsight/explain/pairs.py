"""Two frames, near or far: which regions make them so."""

import torch
from torch import Tensor

from capsight.explain.cam import embedding_map
from capsight.learning.frame_learner import FrameLearner
from capsight.nn import FrameClassifier, evaluating


def pair_maps(model: FrameLearner | FrameClassifier, image_a: Tensor, image_b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Share the squared distance between two frames' embeddings out over their positions, exactly.

    image_a, image_b: (B, 3, H, W) float in [0, 1]; where one has B = 1, it is paired with every frame of the other.
    Returns a map (B, h, w) of each frame and the squared distance (B,). Each map sums to half of it. Positive values
    make the frames far, negative ones near.

    The embedding is e = mean over the positions x of P f(x), divided by its length where the model does so. With
    d = e_a - e_b and the point m halfway between the two, the maps are <P f_a(x) - m, d> / hw and
    -<P f_b(x) - m, d> / hw. Without m it is the decomposition of Stylianou, Souvenir and Pless 2019, Visualizing
    deep similarity networks, for a distance. A distance does not know where the origin is; with m, the maps do
    not either. Raises UserError where the features are not one vector per position.
    """
    network = getattr(model, "network", model)
    with evaluating(network), torch.no_grad():
        # In double precision, because the parts of two frames that are nearly the same cancel almost entirely.
        parts_a, parts_b = (embedding_map(network, images).double() for images in (image_a, image_b))
    a, b = (parts.mean(dim=(2, 3), keepdim=True) for parts in (parts_a, parts_b))  # (B, D, 1, 1): the embeddings
    apart, middle = a - b, (a + b) / 2
    map_a, map_b = (((parts - middle) * apart).sum(dim=1) for parts in (parts_a, parts_b))
    squared_distance = apart.square().sum(dim=(1, 2, 3))
    return (map_a / map_a[0].numel()).float(), (-map_b / map_b[0].numel()).float(), squared_distance.float()
