"""Is a review positive? Four networks, what they cost, and which of them know the order of words."""

import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from capsight.data.made_reviews import order_pairs
from capsight.data.reviews import review_groups, split_reviews
from capsight.data.word_index import Vocabulary, pad
from capsight.errors import UserError
from capsight.evaluation.bootstrap import Interval
from capsight.lecture.drawing import panels, save, styled
from capsight.lecture.fitting import batches, fit
from capsight.lecture.learners import ClassLearner, logits_of
from capsight.lecture.review_data import accuracy, some_reviews
from capsight.nn.text import ConvText, EmbeddingMLP, LSTMText, RNNText
from capsight.progress import track
from capsight.report.plots import MUTED, OKABE_ITO

NETWORKS = {"mlp": EmbeddingMLP, "conv": partial(ConvText, dropout=0.3), "rnn": RNNText, "lstm": LSTMText}
TITLES = {"mlp": "embedding + MLP", "conv": "1-D convolutions", "rnn": "vanilla RNN", "lstm": "LSTM"}
STEPWISE = ("rnn", "lstm")
OPTIMISERS = {  # chosen on validation reviews of the archive
    "mlp": {"lr": 2e-3, "weight_decay": 1.0},
    "conv": {"lr": 3e-3, "weight_decay": 0.2},
    "rnn": {"lr": 3e-3, "weight_decay": 0.05},
    "lstm": {"lr": 5e-3, "weight_decay": 0.05},
}


def sentiment(
    out: Path,
    *,
    seed: int,
    trainer: dict,
    archive: str = "",
    reviews: int = 4000,
    held_out: float = 0.2,
    validation: float = 0.05,
    num_words: int = 20000,
    length: int = 1000,
    recurrent_length: int = 400,
    models: tuple[str, ...] = tuple(NETWORKS),
    batch_size: int = 64,
) -> dict:
    """Train each of `models` on the same reviews; accuracy on held-out movies with its interval, and the pairs.

    archive: aclImdb_v1.tar.gz; without it reviews are made. length: words that are read, from the review's end;
    recurrent networks, which must go step by step, read `recurrent_length`. Writes sentiment.png.
    """
    if not models or (unknown := set(models) - NETWORKS.keys()):
        wrong = ", ".join(sorted(map(str, unknown))) if models else "none"
        raise UserError(f"lesson.models: {wrong} is not possible; choose from {', '.join(NETWORKS)}.")
    table = some_reviews(archive, reviews, seed=seed)
    table["side"] = split_reviews(table, held_out=held_out, validation=validation, seed=seed)
    sides = {side: rows for side, rows in table.groupby("side")}
    if missing := {"train", "val", "held_out"} - sides.keys():
        raise UserError(f"no review is left for {', '.join(sorted(missing))}; use more reviews or other shares.")
    vocabulary = Vocabulary.count(sides["train"]["text"], num_words=num_words)
    tokens = {side: _encode(rows["text"], vocabulary, length) for side, rows in sides.items()}
    labels = {side: torch.tensor(rows["label"].to_numpy()) for side, rows in sides.items()}
    pairs = order_pairs()
    paired = [_encode(pairs[column], vocabulary, length) for column in ("positive", "negative")]

    measured = {}
    for name in models:
        read = min(length, recurrent_length) if name in STEPWISE else length
        if read < 1:
            raise UserError(f"lesson.recurrent_length={recurrent_length} keeps nothing of a review; take 1 or more.")
        pl.seed_everything(seed, verbose=False)
        network = NETWORKS[name](vocabulary.size)
        learner = ClassLearner(network, optimiser=OPTIMISERS[name], seed=seed)
        given = {side: TensorDataset(tokens[side][:, -read:], labels[side]) for side in ("train", "val")}
        training = batches(given["train"], batch_size=batch_size, seed=seed)
        begun = time.process_time()
        learner = fit(learner, training, batches(given["val"], batch_size=256), out=out / name, trainer=trainer)
        seconds = round(time.process_time() - begun, 1)
        scores = {side: _score(learner, tokens[side][:, -read:]) for side in ("held_out", "test") if side in sides}
        positive, negative = (_score(learner, texts[:, -read:]) for texts in paired)
        measured[name] = {
            "parameters": sum(weights.numel() for weights in network.parameters()),
            "training_cpu_seconds": seconds,
            **{side: _accuracy(score, sides[side], seed) for side, score in scores.items()},
            "pairs": _ranked_rightly(pairs["kind"], positive - negative),
        }
    _draw(measured, out / "sentiment.png")
    return {
        "source": "archive" if archive else "made reviews",
        "n_train": len(sides["train"]),
        "n_held_out": len(sides["held_out"]),
        "n_test": len(sides.get("test", ())),
        "n_words": len(vocabulary.words),
        "models": measured,
    }


def _encode(texts: pd.Series, vocabulary: Vocabulary, length: int) -> Tensor:
    """Return the last `length` words of each text, or as many as the longest has: (n, T)."""
    sequences = [vocabulary.encode(text) for text in track(texts, "Encoding reviews")]
    return torch.from_numpy(pad(sequences, min(length, max(map(len, sequences)))))


def _score(learner: ClassLearner, tokens: Tensor) -> np.ndarray:
    """Return by how much each text (n, length) is rather positive than negative."""
    return (logits_of(learner, tokens) @ torch.tensor([-1.0, 1.0])).numpy()


def _accuracy(scores: np.ndarray, rows: pd.DataFrame, seed: int) -> Interval:
    return accuracy((scores > 0) == rows["label"].to_numpy(), review_groups(rows), seed=seed)


def _ranked_rightly(kinds: pd.Series, more: np.ndarray) -> dict[str, float]:
    """Return, per kind of pair, the share in which the positive text scores `more`; equal scores count half."""
    more = np.where(np.abs(more) < 1e-5, 0, more)  # the same words summed in another order differ by rounding
    return pd.Series((np.sign(more) + 1) / 2).groupby(kinds).mean().to_dict()


@styled
def _draw(measured: dict, file: Path) -> None:
    figure, (left, right) = panels(2, height=3.6)
    for row, numbers in enumerate(measured.values()):
        share = numbers["held_out"]
        left.plot([share["low"], share["high"]], [row, row], color=OKABE_ITO[0], linewidth=2.4)
        left.plot(share["value"], row, "o", color=OKABE_ITO[0])
        left.annotate(f"{share['value']:.3f}", (share["value"], row), (0, 7), textcoords="offset points", ha="center")
        for place, (kind, value) in enumerate(numbers["pairs"].items()):
            y = row + 0.18 * (2 * place - 1)
            right.barh(y, value, 0.34, color=OKABE_ITO[1 + place], label=kind if not row else None)
    costs = [
        f"{TITLES[name]}\n{numbers['training_cpu_seconds']:,.0f} CPU s · {numbers['parameters']:,} weights"
        for name, numbers in measured.items()
    ]
    left.set(title="accuracy on held-out reviews", yticks=range(len(costs)), yticklabels=costs)
    right.set(title="pairs ranked rightly", yticks=range(len(costs)), yticklabels=[], xlim=(0, 1.01))
    right.axvline(0.5, color=MUTED, linestyle=(0, (4, 3)), linewidth=0.9)
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2, frameon=False)
    for axes in (left, right):
        axes.set_ylim(len(costs) - 0.5, -0.6)
    save(figure, file)
