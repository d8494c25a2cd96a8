"""Losses: tensors in, a scalar out. Nothing here knows of files, Lightning or the rest of the project."""

from .alignment import coral_loss, domain_loss, mmd_loss
from .classification import balanced_weights, exclusive_loss, multilabel_loss
from .distances import pairwise_distances
from .triplet import triplet_loss

__all__ = [
    "balanced_weights",
    "coral_loss",
    "domain_loss",
    "exclusive_loss",
    "mmd_loss",
    "multilabel_loss",
    "pairwise_distances",
    "triplet_loss",
]
