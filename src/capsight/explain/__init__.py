"""Explanations: where the model looked, and whether that can be believed."""

from capsight.explain.cam import class_activation_maps

__all__ = ["class_activation_maps"]
