"""SHOT: the source's classifier stays, and the backbone moves the target's frames to where it is sure of them."""

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from capsight.adaptation.base import Adaptation
from capsight.adaptation.decisions import entropy, log_probabilities
from capsight.nn import FrameClassifier
from capsight.progress import track

PRIORS = ("predicted", "uniform")


class Shot(Adaptation):
    """Train all but the classifier on unlabelled target frames: sure decisions, of which no class is lost.

        L = mean of H(p)  +  w_d KL(p̄ ‖ π)  -  w_p mean of log p(ŷ)

    p are the decisions about a frame: the softmax for exclusive classes; for each finding (p_f, 1 - p_f) in the
    multilabel task, where the terms are averaged over the findings. p̄ is their mean over the batch, and ŷ the class
    of the nearest centroid by cosine similarity, for each finding of two. Centroids are counted before each epoch: the
    means of the embeddings weighted by p, and then of the frames nearest to each.

    Liang et al. 2020, Do we really need to access the source data? Source hypothesis transfer for unsupervised domain
    adaptation (arXiv:2002.08546), equations 3 to 7. For uniform π the second term is theirs, up to a constant.

    Findings are rare, and uniform π would push each towards half of the frames. So π is what the network predicts,
    on average, of the target's frames before it learns from them (`prior: predicted`, with the batch normalisation's
    statistics of the target). This holds off collapse, and also keeps a prevalence that is predicted wrongly. In the
    multilabel task the same share of the frames, those that lean most to its centroid, gets the finding as ŷ: two
    centroids alone split the frames in halves.

    epochs: passes of learning over the frames, each after one that counts centroids. lr: of SGD with momentum 0.9.
    diversity: w_d. pseudo: w_p. Batches of one frame are left out. No number is drawn beside the order of the frames.
    Raises ValueError for other settings and where there are no two frames.
    """

    trains = False

    def __init__(
        self,
        *,
        epochs: int = 5,
        lr: float = 1e-3,
        diversity: float = 1.0,
        pseudo: float = 0.3,
        prior: str = "predicted",
    ):
        super().__init__()
        if not isinstance(epochs, int) or epochs < 1 or not lr > 0 or not diversity >= 0 or not pseudo >= 0:
            raise ValueError(
                "epochs is a whole number of 1 or more, lr is above 0, and diversity and pseudo are 0 or more"
            )
        if prior not in PRIORS:
            raise ValueError(f"prior={prior!r} is not known; choose one of {', '.join(PRIORS)}")
        self.epochs, self.lr, self.diversity, self.pseudo, self.prior = epochs, lr, diversity, pseudo, prior

    def after_training(self, network: FrameClassifier, task: str, frames: Callable[[], Iterable[Tensor]]) -> None:
        training = network.training
        network.eval()
        for layer in network.modules():
            layer.training = isinstance(layer, _BatchNorm)  # nothing is dropped, statistics follow the target
        weights = [*network.backbone.parameters(), *network.head.projection.parameters()]
        optimiser = torch.optim.SGD(weights, lr=self.lr, momentum=0.9, weight_decay=1e-3)
        prior = None
        for _ in track(range(self.epochs), "Learning from the target's frames"):
            embeddings, p = _all_decisions(network, task, frames)
            if prior is None:
                prior = p.mean(dim=0) if self.prior == "predicted" else torch.full_like(p[0], 1 / p.shape[2])
            teacher = Centroids(embeddings, p, prior)
            for images in _batches(frames):
                with torch.enable_grad():
                    self._loss(network, task, images, teacher, prior).backward()
                optimiser.step()
                network.zero_grad()
        network.train(training)

    def _loss(self, network: FrameClassifier, task: str, images: Tensor, teacher: "Centroids", prior: Tensor) -> Tensor:
        embedding = network.embed(images)
        log_p = log_probabilities(network.classify(embedding), task)
        loss = entropy(log_p) + self.diversity * divergence(log_p.exp().mean(dim=0), prior)
        labels = teacher.labels(embedding.detach())
        return loss + self.pseudo * F.nll_loss(log_p.flatten(0, 1), labels.flatten())


class Centroids:
    """The mean embedding of each class, which labels the frames near to it.

    embeddings (N, D), p (N, K, C) decisions, prior (K, C): the shares of the frames that the classes of a two-class
    decision get.
    """

    def __init__(self, embeddings: Tensor, p: Tensor, prior: Tensor):
        self.lean = torch.zeros_like(prior)
        for _ in range(2):
            means = torch.einsum("nkc,nd->kcd", p, embeddings)
            self.means = F.normalize(means, dim=2)
            similarity = self._similarity(embeddings)
            if prior.shape[1] == 2:
                self.lean[:, 0] = _quantiles(similarity[..., 1] - similarity[..., 0], 1 - prior[:, 1])
            p = F.one_hot((similarity + self.lean).argmax(dim=2), p.shape[2]).to(p)

    def labels(self, embeddings: Tensor) -> Tensor:
        """Return the class of each decision (n, K) for embeddings (n, D)."""
        return (self._similarity(embeddings) + self.lean).argmax(dim=2)

    def _similarity(self, embeddings: Tensor) -> Tensor:
        similarity = torch.einsum("nd,kcd->nkc", F.normalize(embeddings, dim=1), self.means)
        return similarity.masked_fill((self.means == 0).all(dim=2), -1)  # a class without frames is near to none


def divergence(p: Tensor, prior: Tensor) -> Tensor:
    """KL(p ‖ prior) in nats, averaged over the decisions (K, C), a scalar."""
    smallest = torch.finfo(p.dtype).tiny
    return (p * (p.clamp(min=smallest) / prior.clamp(min=smallest)).log()).sum(dim=1).mean()


def _quantiles(values: Tensor, shares: Tensor) -> Tensor:
    """The quantile of each column (N, K) at its own share (K,)."""
    rank = (shares * (len(values) - 1)).round().long()
    return values.sort(dim=0).values.gather(0, rank[None])[0]


def _batches(frames: Callable[[], Iterable[Tensor]]) -> Iterable[Tensor]:
    return (images for images in frames() if len(images) > 1)


@torch.no_grad()
def _all_decisions(
    network: FrameClassifier, task: str, frames: Callable[[], Iterable[Tensor]]
) -> tuple[Tensor, Tensor]:
    """Return embeddings (N, D) and decisions (N, K, C) of all frames."""
    embeddings = [network.embed(images) for images in _batches(frames)]
    if not embeddings:
        raise ValueError("there are no target frames to learn from; one batch of two or more is needed")
    embeddings = torch.cat(embeddings)
    return embeddings, log_probabilities(network.classify(embeddings), task).exp()
