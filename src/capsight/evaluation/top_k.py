"""The error of a classifier that may name several classes."""

import numpy as np


def top_k_error(scores: np.ndarray, labels: np.ndarray, *, k: int = 5) -> float:
    """Return the share of examples whose class is not among the `k` classes with the highest scores.

    scores (n, classes), labels (n,) int. Ties and NaN count as errors, so that a network that answers always the same
    is not right. Raises ValueError where there are not more than `k` classes, or no examples. (Krizhevsky et al. 2012,
    section 2: top-1 and top-5.)
    """
    scores, labels = np.asarray(scores), np.asarray(labels)
    if not 1 <= k < scores.shape[1]:
        raise ValueError(f"k = {k} says nothing where there are {scores.shape[1]} classes; it is 1 or more, and fewer")
    if len(scores) == 0:
        raise ValueError("there are no examples")
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    not_below = (~(scores < own)).sum(axis=1)  # the class itself is one of them
    return float(np.mean(not_below > k))
