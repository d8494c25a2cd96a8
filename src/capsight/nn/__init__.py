"""Shared components: tensors in, tensors out. Nothing here knows of files, Lightning or Hydra."""

from .backbones import Backbone, WeightsError, load_weights
from .classifier import EmbeddingHead, FrameClassifier
from .modes import evaluating

__all__ = ["Backbone", "EmbeddingHead", "FrameClassifier", "WeightsError", "evaluating", "load_weights"]
