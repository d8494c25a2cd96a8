"""DANN: embeddings from which an adversary cannot tell the capsule."""

from torch import Tensor

from capsight.adaptation.base import Adaptation, Step
from capsight.losses import domain_loss
from capsight.nn import FrameClassifier
from capsight.nn.reversal import DomainClassifier, reversal_strength


class Dann(Adaptation):
    """Train a classifier of the capsule, and the network against it.

        min over d, max over f of   L = (mean over source of -log(1 - d(f(x))) + mean over target of -log d(f(x))) / 2

    f is the embedding and d the adversary, as one loss through gradient reversal with strength w λ,
    λ = 2 / (1 + exp(-10 p)) - 1, where p is the progress of training. The adversary itself always learns at full rate.
    Ganin et al. 2016, Domain-adversarial training of neural networks (arXiv:1505.07818), equations 9 and 10.

    Both capsules count alike in batches of unequal parts. Source batches hold the classes in equal shares and target
    batches as they come: an adversary can use this, and then works against the findings.

    weight: w. hidden: width of the adversary's two hidden layers. Raises ValueError for other numbers.
    """

    needs_target = True

    def __init__(self, *, weight: float = 1.0, hidden: int = 256):
        super().__init__()
        if not weight >= 0 or not isinstance(hidden, int) or hidden < 1:
            raise ValueError("weight is 0 or more, and hidden is a whole number of 1 or more")
        self.weight, self.hidden = weight, hidden

    def prepare(self, network: FrameClassifier, task: str) -> None:
        self.adversary = DomainClassifier(network.head.classifier.in_features, self.hidden)

    def loss(self, step: Step) -> Tensor:
        strength = self.weight * reversal_strength(step.progress)
        return domain_loss(self.adversary(step.embedding, strength), step.target)
