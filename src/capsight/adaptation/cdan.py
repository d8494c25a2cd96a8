"""CDAN: embeddings from which an adversary cannot tell the capsule, though it knows what the network predicts."""

from torch import Tensor

from capsight.adaptation.base import Adaptation, Step
from capsight.adaptation.decisions import log_probabilities
from capsight.losses import domain_loss
from capsight.nn import FrameClassifier
from capsight.nn.reversal import DomainClassifier, reversal_strength


class Cdan(Adaptation):
    """Train a classifier of the capsule on embedding ⊗ predictions, and the network against it.

        min over d, max over f of   L = (E_S -log(1 - d(f(x) ⊗ g(x))) + E_T -log d(f(x) ⊗ g(x))) / 2

    with gradient reversal as in DANN. g is the softmax for exclusive classes. In the multilabel task it is (1 - p_f,
    p_f) / F of all findings, one after the other: the adversary sees the embedding under each finding's prediction
    alone. All sets of findings would be 2^F products, most of them of sets that no frame shows. No gradient flows
    through g, as in the authors' program, and the product is not projected at random, as theirs is where it is wide.

    With `entropy` (CDAN+E) a frame weighs 1 + exp(-H(g)) in the mean of its capsule, so that sure predictions count
    more; H is in nats, in the multilabel task the mean over the findings.

    Long et al. 2018, Conditional adversarial domain adaptation (arXiv:1705.10667), equations 5 and 9.

    Both capsules count alike in batches of unequal parts; classes are balanced in the source's part only.

    weight: of the reversed gradient. hidden: width of the adversary's two hidden layers. Raises ValueError for other
    numbers.
    """

    needs_target = True

    def __init__(self, *, weight: float = 1.0, hidden: int = 256, entropy: bool = True):
        super().__init__()
        if not weight >= 0 or not isinstance(hidden, int) or hidden < 1:
            raise ValueError("weight is 0 or more, and hidden is a whole number of 1 or more")
        self.weight, self.hidden, self.entropy = weight, hidden, entropy

    def prepare(self, network: FrameClassifier, task: str) -> None:
        classifier = network.head.classifier
        predictions = classifier.out_features * (2 if task == "multilabel" else 1)
        self.adversary = DomainClassifier(classifier.in_features * predictions, self.hidden)

    def loss(self, step: Step) -> Tensor:
        log_p = log_probabilities(step.logits.detach(), step.task)
        strength = self.weight * reversal_strength(step.progress)
        logits = self.adversary(multilinear(step.embedding.float(), log_p.exp()), strength)
        return domain_loss(logits, step.target, weights=sureness(log_p) if self.entropy else None)


def multilinear(embedding: Tensor, p: Tensor) -> Tensor:
    """Embedding (B, D) ⊗ K decisions among C classes each (B, K, C), each with a share of 1 / K → (B, D K C)."""
    g = p.flatten(1) / p.shape[1]
    return (embedding.unsqueeze(2) * g.unsqueeze(1)).flatten(1)


def sureness(log_p: Tensor) -> Tensor:
    """1 + exp(-H) of each frame (B,), H the mean entropy of its decisions (B, K, C) in nats."""
    return 1 + (log_p.exp() * log_p).sum(dim=2).mean(dim=1).exp()
