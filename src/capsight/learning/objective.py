"""What is minimised: classification plus a weighted triplet loss, and each of them alone."""

from torch import Tensor, nn

from capsight.errors import UserError
from capsight.learning.ranks import join_rows
from capsight.learning.targets import UNKNOWN, exclusive_class, finding_pattern
from capsight.losses import balanced_weights, exclusive_loss, multilabel_loss, triplet_loss

OBJECTIVES = ("ce", "ce_triplet", "triplet")


class Objective(nn.Module):
    """Classification + weight × triplet.

    `ce` leaves the triplet loss out. `ce_triplet` minimises both. `triplet` shapes the backbone by the triplet loss
    alone: the classifier is a linear read-out of an embedding that its loss cannot change. Where several processes
    train, all of it is of their joined batch: they work out the same loss, and the gradients are those of one process.

    targets: (N, F) of the training frames, which balanced class weights are counted from.
    `forward(classify, embedding (B, D), targets (B, F))` returns {"loss", "classification", "triplet"} (scalars).
    """

    def __init__(
        self,
        *,
        objective: str = "ce_triplet",
        task: str = "multilabel",
        weight: float = 1.0,
        margin: float = 0.2,
        mining: str = "batch_all",
        squared: bool = False,
        focal_gamma: float = 0.0,
        class_weights: str = "none",
        targets: Tensor | None = None,
    ):
        super().__init__()
        _one_of("model.loss.objective", objective, OBJECTIVES)
        _one_of("model.task", task, ("multilabel", "exclusive"))
        _one_of("model.loss.mining", mining, ("batch_all", "batch_hard", "semi_hard"))
        _one_of("model.loss.class_weights", class_weights, ("none", "balanced"))
        if margin < 0 or weight < 0 or focal_gamma < 0:
            raise UserError("model.loss: margin, weight and focal_gamma are 0 or more.")
        self.objective, self.task, self.weight, self.focal_gamma = objective, task, weight, focal_gamma
        self.triplet = {"margin": margin, "mining": mining, "squared": squared}
        balanced = class_weights == "balanced" and targets is not None
        self.register_buffer("class_weights", _balanced(targets, task) if balanced else None, persistent=False)

    def forward(self, classify: nn.Module, embedding: Tensor, targets: Tensor) -> dict[str, Tensor]:
        embedding, targets = join_rows(embedding), join_rows(targets)
        read_out_only = self.objective == "triplet"
        logits = classify(embedding.detach() if read_out_only else embedding)
        losses = {"classification": self.classification(logits, targets)}
        losses["loss"] = losses["classification"]
        if self.objective != "ce":
            losses["triplet"] = triplet_loss(embedding, self._alike(targets), **self.triplet)
            losses["loss"] = losses["loss"] + self.weight * losses["triplet"]
        return losses

    def classification(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the classification loss of logits (B, C) and targets (B, F), a scalar."""
        options = {"focal_gamma": self.focal_gamma}
        if self.task == "exclusive":
            return exclusive_loss(logits, exclusive_class(targets), class_weights=self.class_weights, **options)
        return multilabel_loss(logits, targets, positive_weights=self.class_weights, **options)

    def _alike(self, targets: Tensor) -> Tensor:
        return exclusive_class(targets) if self.task == "exclusive" else finding_pattern(targets)


def _balanced(targets: Tensor, task: str) -> Tensor:
    if task == "exclusive":
        classes = exclusive_class(targets)
        return balanced_weights(classes[classes != UNKNOWN].bincount(minlength=targets.shape[1] + 1))
    return balanced_weights((targets == 1).sum(dim=0), against=(targets == 0).sum(dim=0))


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UserError(f"{name}={value!r} is not known; choose one of {', '.join(allowed)}.")
