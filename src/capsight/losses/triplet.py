"""The triplet loss, with every triplet of the batch or with mined ones.

An anchor a, a frame p of the same class and a frame n of another class make a triplet; its hinge is
max(0, d(a, p) - d(a, n) + margin). A triplet is *active* where d(a, p) + margin > d(a, n), compared in the
precision of the distances; compared as d(a, p) - d(a, n) + margin > 0, a triplet within one rounding error
of a zero hinge may fall on the other side, which changes the loss by no more than that error.
"""

import torch
from torch import Tensor

from .distances import blocks, pulled, pulls

MININGS = ("batch_all", "batch_hard", "semi_hard")


def triplet_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 0.2,
    mining: str = "batch_all",
    squared: bool = False,
) -> Tensor:
    """Triplet loss of a batch, a scalar; zero, with a graph, where the batch holds no triplet.

    embeddings: (B, D) floating, computed in float32 (float64 stays). labels: (B,) integer; a frame with a
    negative label (-1) is unknown and takes no part. margin: in units of the distance. squared: hinge on
    squared Euclidean distances. To train on several devices, pass the joined batch.

    - batch_all: mean over all active triplets (Hermans et al. 2017, arXiv:1703.07737, "batch all, non-zero").
      O(B^2 log B) time and O(B^2) memory. With squared=True the terms are those of FaceNet's equation 3,
      which sums them; here, too, they are averaged over the active triplets.
    - batch_hard: the furthest positive and the nearest negative of each anchor, mean over all anchors that
      have both (Hermans et al. 2017, equation 5).
    - semi_hard: mean over all triplets with d(a, p) < d(a, n) < d(a, p) + margin (Schroff et al. 2015,
      arXiv:1503.03832, equation 4), every such negative of a pair and not one drawn from them.

    Raises ValueError for wrong shapes or types, a negative margin and an unknown mining.
    """
    _check(embeddings, labels, margin, mining)
    known = labels >= 0
    labels = labels[known]
    embeddings = embeddings[known]
    if embeddings.dtype != torch.float64:
        embeddings = embeddings.float()
    if not len(labels):
        return embeddings.sum()
    return _MeanHinge.apply(embeddings, labels, margin, mining, squared)


def _check(embeddings: Tensor, labels: Tensor, margin: float, mining: str) -> None:
    if embeddings.ndim != 2 or not embeddings.is_floating_point():
        raise ValueError(f"embeddings: floating (B, D) expected, got {_describe(embeddings)}")
    if labels.shape != embeddings.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"labels: integer (B,) expected, one for each of {len(embeddings)} embeddings, got {_describe(labels)}"
        )
    if not margin >= 0:
        raise ValueError(f"margin: a number of at least 0 expected, got {margin}")
    if mining not in MININGS:
        raise ValueError(f"mining: one of {', '.join(MININGS)} expected, got {mining!r}")


def _describe(tensor: Tensor) -> str:
    return f"{tensor.dtype} {tuple(tensor.shape)}"


class _MeanHinge(torch.autograd.Function):
    """The loss, and on the way its gradient, from some anchors at a time: one (B, B) matrix is all that is kept.

    Once it is known which triplets are active, the loss is linear in the distances: d(a, p) counts once for
    each active triplet that it is part of, and d(a, n) as often with a minus sign.
    """

    @staticmethod
    def forward(ctx, embeddings: Tensor, labels: Tensor, margin: float, mining: str, squared: bool) -> Tensor:
        learns = ctx.needs_input_grad[0]
        pull = embeddings.new_empty((len(labels), len(labels)) if learns else ())
        total, number = 0.0, 0
        for rows, distances in blocks(embeddings, squared):
            same, other = _pairs(labels, rows)
            weights, active, averaged = _WEIGHTS[mining](distances, same, other, margin)
            if learns:
                pull[rows] = pulls(weights, distances, squared)
            # Row by row, then in float64: the sum runs over up to B^3 triplets, and its terms cancel.
            total = total + (weights * distances).sum(1).sum(dtype=torch.float64) + margin * active
            number = number + averaged
        number = number.clamp(min=1)
        if learns:
            ctx.save_for_backward(pulled(embeddings, pull) / number)
        return (total / number).to(embeddings.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor):
        return gradient * ctx.saved_tensors[0], None, None, None, None


def _pairs(labels: Tensor, anchors: slice) -> tuple[Tensor, Tensor]:
    """Masks (anchors, B) of their positives and of their negatives."""
    same = labels[anchors, None] == labels
    other = ~same
    same.diagonal(anchors.start).fill_(False)  # an anchor is no positive of itself
    return same, other


# Each of these takes distances (anchors, B), the masks of `_pairs` and the margin, and returns how often each distance
# counts in the sum of the hinges (anchors, B), the number of active triplets, and the number that the mean is over.


def _all(distances: Tensor, same: Tensor, other: Tensor, margin: float) -> tuple[Tensor, Tensor, Tensor]:
    reach = (distances + margin).masked_fill_(~same, -torch.inf)
    weights, active = _count_below(reach, distances.masked_fill(~other, torch.inf))
    return weights, active, active


def _semi_hard(distances: Tensor, same: Tensor, other: Tensor, margin: float) -> tuple[Tensor, Tensor, Tensor]:
    reach = distances + margin
    same = same & (reach > distances)  # else the margin is lost in rounding, and nothing lies between the two
    negatives = distances.masked_fill(~other, torch.inf)
    weights, active = _count_below(reach.masked_fill_(~same, -torch.inf), negatives)
    hard, too_hard = _count_below(distances.masked_fill(~same, -torch.inf), negatives, or_equal=True)
    return weights.sub_(hard), active - too_hard, active - too_hard


def _hardest(distances: Tensor, same: Tensor, other: Tensor, margin: float) -> tuple[Tensor, Tensor, Tensor]:
    furthest = distances.masked_fill(~same, -torch.inf).amax(1, keepdim=True)
    nearest = distances.masked_fill(~other, torch.inf).amin(1, keepdim=True)
    valid = same.any(1) & other.any(1)
    active = valid & (furthest - nearest + margin > 0).ravel()
    ends = (same & (distances == furthest)).to(distances), (other & (distances == nearest)).to(distances)
    positive, negative = (end / end.sum(1, keepdim=True).clamp(min=1) for end in ends)  # ties share
    return (positive - negative) * active[:, None], active.sum(), valid.sum()


_WEIGHTS = {"batch_all": _all, "batch_hard": _hardest, "semi_hard": _semi_hard}


def _count_below(positives: Tensor, negatives: Tensor, or_equal: bool = False) -> tuple[Tensor, Tensor]:
    """Pairs of a positive and a negative of a row with negative < positive (or <=).

    positives, negatives: (anchors, B), with -inf and inf where there is none. Returns (anchors, B) counts of
    the pairs of each positive minus those of each negative, and the number of pairs.
    """
    width = int((positives > -torch.inf).sum(1).amax().clamp(min=1))
    ascending, columns = (x.flip(1) for x in positives.topk(width, dim=1))
    # A negative lies below all positives from its rank on; so a positive of rank r has below it all negatives
    # of a rank up to r. Sorting the positives and not the negatives pays: they are the fewer ones.
    rank = torch.searchsorted(ascending, negatives, right=not or_equal)
    ones = torch.ones_like(rank[:, :1]).expand_as(rank)
    per_rank = rank.new_zeros(len(rank), width + 1).scatter_add_(1, rank, ones)
    below = per_rank[:, :-1].cumsum(1)
    return (rank - width).scatter_add_(1, columns, below), below.sum()
