"""A training step as a method sees it, made up."""

import torch
from torch import Tensor

from capsight.adaptation.base import Step

TASKS = ("multilabel", "exclusive")


def make_step(n_source: int = 5, n_target: int = 4, *, width: int = 3, classes: int = 2, **changes) -> Step:
    """Return a step with random embeddings and logits, which want gradients; the target's labels are unknown."""
    n = n_source + n_target
    targets = torch.randint(2, (n, 2)).float()
    targets[n_source:] = torch.nan
    return Step(
        **{
            "embedding": torch.randn(n, width, requires_grad=True),
            "logits": torch.randn(n, classes, requires_grad=True),
            "targets": targets,
            "target": torch.arange(n) >= n_source,
            "task": "multilabel",
            "progress": 0.3,
            "classification": _no_classification,
        }
        | changes
    )


def _no_classification(logits: Tensor) -> Tensor:
    raise AssertionError("this method does not classify")
