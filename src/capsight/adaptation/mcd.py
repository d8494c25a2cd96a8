"""MCD: two classifiers that agree on the target's frames, however they try not to."""

import torch
from torch import Tensor, nn

from capsight.adaptation.base import Adaptation, Step
from capsight.adaptation.decisions import log_probabilities
from capsight.nn import FrameClassifier
from capsight.nn.reversal import reversal_strength, reverse_gradient


class Mcd(Adaptation):
    """Train a second classifier beside the network's own; they differ on the target, and the embedding prevents it.

        L = classification of the second - d(target),   d = mean |p_1 - p_2| over frames and classes

    p_1 and p_2 are the probabilities (softmax, or sigmoid for each finding) that the two give to target frames. Between
    the embedding and d stands gradient reversal with strength w λ, λ as in DANN: the classifiers maximise d, the
    embedding minimises it. The classifier that the network keeps is the first.

    Saito et al. 2018, Maximum classifier discrepancy for unsupervised domain adaptation (arXiv:1712.02560), equations 3
    to 9. Theirs takes three steps for each batch: all learn from the source; the classifiers alone learn to differ, and
    still to be right on the source; the embedding alone learns, some four times, to make them agree. Here all three are
    one step, with one optimiser, so the embedding follows the classifiers less closely.

    d is of target frames only, and does not depend on how many there are.

    weight: w. Raises ValueError where it is negative.
    """

    needs_target = True

    def __init__(self, *, weight: float = 1.0):
        super().__init__()
        if not weight >= 0:
            raise ValueError(f"weight={weight} is not possible; it is 0 or more")
        self.weight = weight

    def prepare(self, network: FrameClassifier, task: str) -> None:
        head = network.head
        self.first = network.classify  # a method, not a module: the weights stay the network's
        self.second = nn.Linear(head.classifier.in_features, head.classifier.out_features)
        self.dropout = nn.Dropout(head.dropout.p)

    def loss(self, step: Step) -> Tensor:
        strength = self.weight * reversal_strength(step.progress)
        embedding = step.embedding.float()
        target = reverse_gradient(embedding[step.target], strength)
        apart = discrepancy(self.first(target), self._classify(target), step.task)
        return step.classification(self._classify(embedding)) - apart

    def _classify(self, embedding: Tensor) -> Tensor:
        with torch.autocast(embedding.device.type, enabled=False):
            return self.second(self.dropout(embedding))


def discrepancy(first: Tensor, second: Tensor, task: str) -> Tensor:
    """Mean absolute difference of the probabilities of logits (n, C) and (n, C), a scalar; zero for no frame."""
    difference = log_probabilities(first, task).exp() - log_probabilities(second, task).exp()
    return difference.abs().sum() / max(1, difference.numel())
