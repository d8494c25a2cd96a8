"""Euclidean distances between all rows of a batch, exact where rows are near or equal."""

import torch
from torch import Tensor

ROWS = 128  # rows handled at once: keeps what is needed beside the result small


def pairwise_distances(embeddings: Tensor, *, squared: bool = False) -> Tensor:
    """Euclidean distances between all rows: (B, D) -> (B, B), exactly 0, with gradient 0, between equal rows.

    Worked out from inner products in float64. Rows nearer than sqrt(D * 2.2e-16) times their length, a few
    units in the last place of a float32, count as equal.
    """
    return _Distances.apply(embeddings, squared)


def blocks(embeddings: Tensor, squared: bool):
    """Yield slices of at most ROWS rows, and the distances (rows, B) of these from all, in the embeddings' type."""
    wide = embeddings.double()
    norms = wide.square().sum(1)
    rounding = wide.shape[1] * torch.finfo(wide.dtype).eps
    for first in range(0, len(wide), ROWS):
        rows = slice(first, first + ROWS)
        scale = norms[rows, None] + norms
        block = torch.addmm(scale, wide[rows], wide.T, alpha=-2)
        block.masked_fill_(block <= scale.mul_(rounding), 0)
        yield rows, (block if squared else block.sqrt_()).to(embeddings.dtype)


def pulls(gradient: Tensor, distances: Tensor, squared: bool) -> Tensor:
    """Return p with p * (x - y) the gradient for x; gradient: that for the distances of x and y, of the same shape."""
    return 2 * gradient if squared else (gradient / distances).masked_fill_(distances == 0, 0)


def pulled(embeddings: Tensor, pulls: Tensor) -> Tensor:
    """Return the gradient for the rows (B, D) from the pulls of all pairs (B, B)."""
    wide = embeddings.double()
    result = torch.empty_like(embeddings)
    for first in range(0, len(wide), ROWS):
        rows = slice(first, first + ROWS)
        block = (pulls[rows] + pulls[:, rows].T).double()  # each pair stands at (i, j) and at (j, i)
        result[rows] = block.sum(1, keepdim=True) * wide[rows] - block @ wide
    return result


class _Distances(torch.autograd.Function):
    @staticmethod
    def forward(ctx, embeddings: Tensor, squared: bool) -> Tensor:
        distances = embeddings.new_empty(len(embeddings), len(embeddings))
        for rows, block in blocks(embeddings, squared):
            distances[rows] = block
        ctx.squared = squared
        ctx.save_for_backward(embeddings, distances)
        return distances

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor):
        embeddings, distances = ctx.saved_tensors
        return pulled(embeddings, pulls(gradient, distances, ctx.squared)), None
