"""What word vectors are worth where few reviews have labels: the same classifier on vectors of different kinds."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from capsight.data.reviews import review_groups
from capsight.data.word_index import Vocabulary, pad
from capsight.errors import UserError
from capsight.lecture.fitting import batches, fit
from capsight.lecture.learners import ClassLearner, logits_of
from capsight.lecture.review_data import accuracy
from capsight.nn.text import EmbeddingMLP

WAYS = {"frozen": "the vectors stay as they are", "tuned": "the vectors learn from the labels too"}
VALIDATING = 0.2  # share of the labelled reviews that choose the best epoch
# The rate, and the spread of the vectors' numbers. Learned vectors are best with the first, and so are random ones that
# stay as they are; random ones that learn are best small, as `EmbeddingMLP` begins, and slow: so the comparison does
# not rest on a bad beginning.
BEGINNING = {"rate": 1e-2, "spread": 1.0}
RANDOM_TUNED = {"rate": 3e-3, "spread": 0.03}
TESTED = ("held_out", "test")


def check_labels(table: pd.DataFrame, *, labels: int, draws: int, length: int) -> None:
    """Raise UserError where `compare_vectors` could not draw so many labels, or would read nothing."""
    available = {side: int((table["side"] == side).sum()) for side in (*_sizes(labels), *TESTED)}
    if not all(available[side] for side in TESTED):
        raise UserError("no review is left to test with; use more reviews, or hold out more.")
    if draws < 1 or length < 1 or any(not 1 <= size <= available[side] for side, size in _sizes(labels).items()):
        raise UserError(
            f"lesson.labels={labels}, draws={draws}, length={length}: all are 1 or more. {VALIDATING:.0%} of the "
            f"labels are of {available['val']:,} reviews, and the others are of {available['train']:,}."
        )


def compare_vectors(
    vectors: dict[str, Tensor],
    table: pd.DataFrame,
    vocabulary: Vocabulary,
    *,
    labels: int,
    draws: int,
    length: int,
    batch_size: int,
    seed: int,
    out: Path,
    trainer: dict,
) -> dict[str, dict]:
    """Measure each of `vectors` (words, width), of which one is "random", by the reviews that are then judged rightly.

    table: reviews with their `side`. Per draw, `labels` reviews are drawn from "train" and "val", and all kinds of
    vectors get the same ones. Returns per side ("held_out", "test") and way the mean accuracy over the draws, the gain
    over the random vectors, paired by review, and that gain draw by draw. Intervals are over movies, or over texts;
    draws are averaged and not drawn, since there are few.
    """
    sizes = _sizes(labels)
    tested = {side: _dataset(table[table["side"] == side], vocabulary, length).tensors for side in TESTED}
    right = {way: {name: [] for name in vectors} for way in WAYS}
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw])
        drawn = [_draw(table[table["side"] == side], size, rng) for side, size in sizes.items()]
        datasets = [_dataset(rows, vocabulary, length) for rows in drawn]
        for way in WAYS:
            for name, start in vectors.items():
                beginning = RANDOM_TUNED if (name, way) == ("random", "tuned") else BEGINNING
                learner = _classifier(start, frozen=way == "frozen", seed=1000 * seed + draw, **beginning)
                loaders = batches(datasets[0], batch_size=batch_size, seed=draw), batches(datasets[1], batch_size=256)
                # A training takes seconds and its checkpoints, with all words in them, megabytes: they are not kept.
                with tempfile.TemporaryDirectory(dir=out) as folder:
                    learner = fit(learner, *loaders, out=folder, trainer=trainer)
                right[way][name].append({side: _right(learner, *data) for side, data in tested.items()})
    groups = {side: review_groups(table[table["side"] == side]) for side in TESTED}
    return {
        side: {
            way: _measure({name: [draw[side] for draw in right[way][name]] for name in vectors}, groups[side], seed)
            for way in WAYS
        }
        for side in TESTED
    }


def scaled(vectors: Tensor, spread: float) -> Tensor:
    """Centre the vectors, and give their numbers the standard deviation `spread`; the first is padding, and 0.

    What all words share tells none of them apart (Mu and Viswanath 2018, All-but-the-top).
    """
    centred = vectors - vectors[1:].mean(0)
    result = spread * centred / centred[1:].std().clamp(min=1e-12)
    result[0] = 0
    return result


def _sizes(labels: int) -> dict[str, int]:
    validating = round(VALIDATING * labels)
    return {"train": labels - validating, "val": validating}


def _classifier(vectors: Tensor, *, frozen: bool, rate: float, spread: float, seed: int) -> ClassLearner:
    torch.manual_seed(seed)
    network = EmbeddingMLP(*vectors.shape[:1], width=vectors.shape[1])
    with torch.no_grad():
        network.embedding.weight.copy_(scaled(vectors, spread))
    network.embedding.weight.requires_grad_(not frozen)
    return ClassLearner(network, optimiser={"lr": rate}, seed=seed)


def _draw(rows: pd.DataFrame, number: int, rng: np.random.Generator) -> pd.DataFrame:
    return rows.iloc[rng.choice(len(rows), number, replace=False)]


def _dataset(rows: pd.DataFrame, vocabulary: Vocabulary, length: int) -> TensorDataset:
    tokens = pad([vocabulary.encode(text) for text in rows["text"]], length)
    return TensorDataset(torch.from_numpy(tokens), torch.tensor(rows["label"].to_numpy()))


def _right(learner: ClassLearner, tokens: Tensor, labels: Tensor) -> np.ndarray:
    return (logits_of(learner, tokens).argmax(1) == labels).numpy().astype(float)


def _measure(right: dict[str, list[np.ndarray]], groups: pd.Series, seed: int) -> dict:
    mean = {name: np.mean(draws, axis=0) for name, draws in right.items()}
    learned = [name for name in right if name != "random"]
    return {
        "accuracy": {name: accuracy(value, groups, seed=seed) for name, value in mean.items()},
        "gain_over_random": {name: accuracy(mean[name] - mean["random"], groups, seed=seed) for name in learned},
        "gain_by_draw": {
            name: [float((a - b).mean()) for a, b in zip(right[name], right["random"], strict=True)] for name in learned
        },
    }
