"""Deep CORAL: embeddings of both capsules that vary in the same way."""

from torch import Tensor

from capsight.adaptation.base import Adaptation, Step
from capsight.losses import coral_loss


class DeepCoral(Adaptation):
    """Bring the covariances of source and target embeddings together.

        L = w ‖C_S - C_T‖_F² / (4 D²)

    Sun & Saenko 2016, Deep CORAL: correlation alignment for deep domain adaptation (arXiv:1607.01719), equation 1; on
    the embedding (B, D), where theirs is on the last layer.

    The covariance of each capsule is its own, so both count alike in batches of unequal parts. Source batches hold the
    classes in equal shares and target batches as they come; what differs for this reason is aligned, too.

    weight: w. The factor 1 / (4 D²) makes the loss small in wide embeddings, so w is large. Raises ValueError for a
    negative weight.
    """

    needs_target = True

    def __init__(self, *, weight: float = 100.0):
        super().__init__()
        if not weight >= 0:
            raise ValueError(f"weight={weight} is not possible; it is 0 or more")
        self.weight = weight

    def loss(self, step: Step) -> Tensor:
        return self.weight * coral_loss(step.embedding[~step.target], step.embedding[step.target])
