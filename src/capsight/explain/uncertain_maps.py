"""Where the map is uncertain: its mean and its spread over passes with dropout in the head."""

import torch
from torch import Tensor

from capsight.errors import UserError
from capsight.explain.cam import linear_parts, weighted
from capsight.learning.frame_learner import FrameLearner
from capsight.nn import FrameClassifier


@torch.no_grad()
def uncertain_maps(model: FrameLearner | FrameClassifier, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation of the class activation maps over MC dropout, (B, C, h, w) each.

    Exact, as of infinitely many passes, from one forward pass. Dropout multiplies each feature d of the embedding with
    0 or 1 / (1 - p), which has the mean 1 and the variance p / (1 - p). So the mean is the map without dropout, and the
    variance at x is p / (1 - p) times the sum over d of (w_d e_d(x))². With exclusive classes, the weights of a
    finding's competitors are those of the frame without dropout. Raises UserError where there is no dropout.
    """
    p = getattr(model, "network", model).head.dropout.p
    if not 0 < p < 1:
        raise UserError(f"with dropout {p:g} all passes have the same map; train with model.dropout between 0 and 1.")
    weights, positions = linear_parts(model, images)
    variance = weighted(weights.square(), positions.square()) * (p / (1 - p))
    return weighted(weights, positions), variance.sqrt()
