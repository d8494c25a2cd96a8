"""DAN: embeddings of both capsules with the same distribution, as kernels see it."""

from torch import Tensor

from capsight.adaptation.base import Adaptation, Step
from capsight.losses import mmd_loss


class Dan(Adaptation):
    """Bring the distributions of source and target embeddings together by their maximum mean discrepancy.

        L = w (E k(s, s') + E k(t, t') - 2 E k(s, t)),   k the mean of five Gaussian kernels around the median distance

    Long et al. 2015, Learning transferable features with deep adaptation networks (arXiv:1502.02791), equation 4; on
    the embedding (B, D) alone, where theirs is on three layers, and with kernels of equal weight.

    Both capsules count alike in batches of unequal parts. Source batches hold the classes in equal shares and target
    batches as they come; what differs for this reason is aligned, too.

    weight: w. Raises ValueError where it is negative.
    """

    needs_target = True

    def __init__(self, *, weight: float = 1.0):
        super().__init__()
        if not weight >= 0:
            raise ValueError(f"weight={weight} is not possible; it is 0 or more")
        self.weight = weight

    def loss(self, step: Step) -> Tensor:
        return self.weight * mmd_loss(step.embedding[~step.target], step.embedding[step.target])
