"""A trained model → predictions."""

from capsight.inference.passes import mc_dropout

__all__ = ["mc_dropout"]
