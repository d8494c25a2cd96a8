"""The triplet loss, forward and backward, against pytorch-metric-learning."""

from collections.abc import Callable, Iterator

import torch
from cases import Case

from capsight.losses import triplet_loss

SIZES, QUICK = (64, 128, 256, 512, 1024, 2048, 4096), (16, 32)
WIDTH, MARGIN = 128, 0.2
NAMES = {"batch_all": "batch-all", "semi_hard": "semi-hard", "batch_hard": "batch-hard"}


def cases(quick: bool) -> Iterator[Case]:
    """Many classes of 4 frames, which is kind to the peer, whose lists of triplets grow with the frames per class.

    Batches in training hold few classes, so batch-all is measured with 8 classes too.
    """
    for mining, name in NAMES.items():
        for size in QUICK if quick else SIZES:
            yield _case(f"triplet loss, {name}", size, mining, size // 4)
    for size in QUICK if quick else SIZES:
        yield _case("triplet loss, batch-all, 8 classes", size, "batch_all", 8)


def _case(name: str, size: int, mining: str, classes: int) -> Case:
    inputs = {"size": size, "classes": classes, "mining": mining}
    return Case(name, size, inputs, {"size": 16, "classes": 4}, ours, {"pytorch-metric-learning": peer}, same=True)


def ours(size: int, classes: int, mining: str) -> Callable[[], tuple]:
    return _step(size, classes, lambda *batch: triplet_loss(*batch, margin=MARGIN, mining=mining))


def peer(size: int, classes: int, mining: str) -> Callable[[], tuple]:
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.losses import TripletMarginLoss
    from pytorch_metric_learning.miners import BatchHardMiner, TripletMarginMiner
    from pytorch_metric_learning.reducers import AvgNonZeroReducer, MeanReducer

    distance = LpDistance(normalize_embeddings=False)
    miner = {
        "batch_hard": BatchHardMiner(distance=distance),
        "semi_hard": TripletMarginMiner(margin=MARGIN, type_of_triplets="semihard", distance=distance),
    }.get(mining)
    reducer = MeanReducer() if mining == "batch_hard" else AvgNonZeroReducer()
    loss = TripletMarginLoss(margin=MARGIN, distance=distance, reducer=reducer)
    return _step(size, classes, lambda *batch: loss(*batch, miner(*batch) if miner else None))


def _step(size: int, classes: int, loss: Callable) -> Callable[[], tuple]:
    embeddings = torch.randn(size, WIDTH, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.arange(size) % classes

    def step() -> tuple:
        embeddings.grad = None
        value = loss(embeddings, labels)
        value.backward()
        return value.item(), embeddings.grad

    return step
