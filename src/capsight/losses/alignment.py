"""Alignment losses: how far the embeddings of two domains lie apart, each domain with the same weight.

A domain's weight does not depend on how many of the batch's frames are its own. Everything is computed in float32
(float64 stays). A domain of fewer than two frames says nothing of a distribution: the loss is then zero, with a graph.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .distances import pairwise_distances

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the kernels of `mmd_loss`, as multiples of the median
FEWEST = 2  # frames of a domain


def coral_loss(source: Tensor, target: Tensor) -> Tensor:
    """Correlation alignment of source (n, D) and target (m, D), a scalar: ‖C_S - C_T‖_F² / (4 D²).

    C are the unbiased covariances; means play no part. Sun & Saenko 2016 (arXiv:1607.01719), equations 1 to 3. The
    means of |C_S - C_T| or of its square, which some libraries call CORAL, are other losses.

    Raises ValueError for wrong shapes.
    """
    source, target = _wide(source, target)
    if min(len(source), len(target)) < FEWEST:
        return _nothing(source, target)
    difference = _covariance(source) - _covariance(target)
    return difference.square().sum() / (4 * source.shape[1] ** 2)


def mmd_loss(source: Tensor, target: Tensor) -> Tensor:
    """Squared maximum mean discrepancy of source (n, D) and target (m, D) under several Gaussian kernels, a scalar.

        E k(s, s') + E k(t, t') - 2 E k(s, t),   k(x, y) = mean over u of exp(-‖x - y‖² / (u median ‖x - y‖²))

    with u in BANDWIDTHS. The estimate is the unbiased one: no frame is paired with itself, so that equal distributions
    give 0 on average, and numbers somewhat below 0 occur. The median is that of all pairs of both domains; no gradient
    flows through it.

    Long et al. 2015, Learning transferable features with deep adaptation networks (arXiv:1502.02791), equation 1,
    without their learning of the kernels' weights; Gretton et al. 2012 (JMLR 13), lemma 6 and the median heuristic.

    Raises ValueError for wrong shapes.
    """
    source, target = _wide(source, target)
    n, m = len(source), len(target)
    if min(n, m) < FEWEST:
        return _nothing(source, target)
    squares = pairwise_distances(torch.cat([source, target]), squared=True)
    above = torch.ones_like(squares, dtype=torch.bool).triu(diagonal=1)
    median = squares.detach()[above].median().clamp(min=torch.finfo(squares.dtype).tiny)
    kernel = torch.stack([(-squares / (u * median)).exp() for u in BANDWIDTHS]).mean(dim=0)
    kernel = kernel - torch.diag(kernel.diagonal())
    within = kernel[:n, :n].sum() / (n * (n - 1)) + kernel[n:, n:].sum() / (m * (m - 1))
    return within - 2 * kernel[:n, n:].mean()


def domain_loss(logits: Tensor, target: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of a domain classifier, a scalar: the mean of the means of both domains.

    logits: (B,), positive for the target. target: (B,) bool. weights: (B,) of the frames, at least 0; the mean of a
    domain is then a weighted one.

    Raises ValueError for wrong shapes or types.
    """
    if logits.ndim != 1 or target.shape != logits.shape or target.dtype != torch.bool:
        raise ValueError(f"logits (B,) and bool target (B,) expected, got {_shapes(logits, target)} {target.dtype}")
    if weights is not None and weights.shape != logits.shape:
        raise ValueError(f"weights: shape {tuple(logits.shape)} expected, got {tuple(weights.shape)}")
    (logits,) = _floats(logits)
    if min(target.sum(), (~target).sum()) < FEWEST:
        return _nothing(logits)
    losses = F.binary_cross_entropy_with_logits(logits, target.to(logits), reduction="none")
    weights = torch.ones_like(losses) if weights is None else weights.to(losses)
    of_domain = torch.stack([~target, target]) * weights
    return ((of_domain * losses).sum(dim=1) / of_domain.sum(dim=1)).mean()


def _covariance(rows: Tensor) -> Tensor:
    centred = rows - rows.mean(dim=0)
    with torch.autocast(rows.device.type, enabled=False):
        return centred.T @ centred / (len(rows) - 1)


def _nothing(*tensors: Tensor) -> Tensor:
    return sum(tensor.sum() * 0 for tensor in tensors)


def _wide(source: Tensor, target: Tensor) -> list[Tensor]:
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1]:
        raise ValueError(f"source (n, D) and target (m, D) expected, got {_shapes(source, target)}")
    return _floats(source, target)


def _floats(*tensors: Tensor) -> list[Tensor]:
    return [tensor if tensor.dtype == torch.float64 else tensor.float() for tensor in tensors]


def _shapes(*tensors: Tensor) -> str:
    return " and ".join(str(tuple(x.shape)) for x in tensors)
