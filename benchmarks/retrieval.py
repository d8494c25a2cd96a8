"""Recall@1 and MAP@R against pytorch-metric-learning."""

from collections.abc import Callable, Iterator

import numpy as np
from cases import Case

from capsight.evaluation.retrieval import retrieval

SIZES, QUICK = (1000, 2500, 5000, 10_000, 50_000), (100, 200)
WIDTH, CLASSES = 128, 8
MEASURES = ("precision_at_1", "mean_average_precision_at_r")  # the peer's names
NORMAL = 0.72  # share of the largest class: most frames show nothing


def cases(quick: bool) -> Iterator[Case]:
    for size in QUICK if quick else SIZES:
        peers = {"pytorch-metric-learning": peer}
        yield Case("recall@1 and MAP@R", size, {"size": size}, {"size": 100}, ours, peers, same=True)


def embeddings_and_labels(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping clouds, one for each class."""
    rng = np.random.default_rng(0)
    labels = rng.choice(CLASSES, size, p=[NORMAL, *[(1 - NORMAL) / (CLASSES - 1)] * (CLASSES - 1)])
    centres = rng.normal(size=(CLASSES, WIDTH))
    return (centres[labels] + 2 * rng.normal(size=(size, WIDTH))).astype(np.float32), labels


def ours(size: int) -> Callable:
    embeddings, labels = embeddings_and_labels(size)
    return lambda: np.mean(retrieval(embeddings, labels, same_patient=True), axis=1)


def peer(size: int) -> Callable:
    import torch
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    calculator = AccuracyCalculator(
        include=MEASURES,
        k="max_bin_count",
        device=torch.device("cpu"),
        knn_func=CustomKNN(LpDistance(normalize_embeddings=False), batch_size=256),  # the leaner one of its searches
    )
    embeddings, labels = map(torch.from_numpy, embeddings_and_labels(size))

    def measure() -> list[float]:
        accuracy = calculator.get_accuracy(embeddings, labels)
        return [accuracy[name] for name in MEASURES]

    return measure
