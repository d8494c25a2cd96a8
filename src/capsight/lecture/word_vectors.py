"""Training of word vectors without labels: the skip-gram with negative sampling, and GloVe."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from capsight.errors import UserError
from capsight.lecture.fitting import batches, fit
from capsight.lecture.learners import optimisation
from capsight.lecture.word_pairs import Tokens, cooccurrences, near_pairs, thin_out
from capsight.nn.words import GloVe, SkipGram

ASIDE = 0.02  # share of the pairs that choose the best epoch


def learn_skip_gram(
    tokens: Tokens, words: int, *, width: int, window: int, often: float, negatives: int, seed: int, **training
) -> Tensor:
    """Train a `SkipGram` on texts and return its vectors (words, width). training: as of `train_vectors`.

    often: see `thin_out`. negatives: words that are drawn for every pair.
    """
    rng = np.random.default_rng(seed)
    pairs = near_pairs(thin_out(tokens, often, rng), window, rng)
    frequency = np.bincount(tokens.word, minlength=words) ** 0.75  # arXiv:1310.4546, section 2.2
    torch.manual_seed(seed)
    learner = VectorLearner(SkipGram(words, width), lr=1e-2, noise=frequency, negatives=negatives, seed=seed)
    return train_vectors(learner, [pairs[:, 0], pairs[:, 1]], seed=seed, **training)


def learn_glove(tokens: Tokens, words: int, *, width: int, window: int, most: float, seed: int, **training) -> Tensor:
    """Train a `GloVe` on texts and return its vectors (words, width). training: as of `train_vectors`."""
    counts = cooccurrences(tokens, window, words)
    torch.manual_seed(seed)
    learner = VectorLearner(GloVe(words, width, most=most), lr=2e-2, seed=seed)
    return train_vectors(learner, counts, seed=seed, **training)


def train_vectors(
    learner: "VectorLearner", columns: Sequence[np.ndarray], *, epochs: int, updates: int, out: Path, trainer, seed
) -> Tensor:
    """Train on the rows of `columns`, each (n,), and return the vectors of the epoch that is best on a few aside.

    updates: batches of an epoch, whose size follows from it, so that a small text is learned as well as a large one.
    Raises UserError where there are fewer than two rows.
    """
    if len(columns[0]) < 2:
        raise UserError("no two words stand near each other, so there is nothing to learn; give longer texts.")
    order = np.random.default_rng(seed).permutation(len(columns[0]))
    aside = max(1, round(ASIDE * len(order)))
    batch_size = -(-len(order) // updates)
    training, validation = (
        PairBatches([column[rows] for column in columns], batch_size) for rows in (order[aside:], order[:aside])
    )
    loaders = (
        batches(training, batch_size=1, seed=seed, collate_fn=_only),
        batches(validation, batch_size=1, collate_fn=_only),
    )
    return fit(learner, *loaders, out=out, trainer=trainer | {"max_epochs": epochs}).network.vectors


def nearest(vectors: Tensor, word: int, number: int) -> tuple[list[int], list[float]]:
    """Return the words whose vectors make the smallest angles with that of `word`, nearest first, and the cosines.

    vectors: (words, width), the first of which is padding and no word.
    """
    cosines = F.cosine_similarity(vectors, vectors[word][None])
    cosines[[0, word]] = -torch.inf
    found = cosines.topk(min(number, len(vectors) - 2))
    return found.indices.tolist(), found.values.tolist()


class VectorLearner(pl.LightningModule):
    """Word vectors that learn from batches of pairs: (word, context), and for GloVe a count.

    noise: how often each word is drawn as a negative, (words,), `negatives` of them for a pair; None for GloVe. Logs
    `val_score`, minus the loss on the pairs that are aside.
    """

    def __init__(self, network: nn.Module, *, lr: float, noise: np.ndarray | None = None, negatives=0, seed: int = 0):
        super().__init__()
        self.network, self.lr, self.negatives, self.seed = network, lr, negatives, seed
        # Words are drawn by looking a random number up among sums: torch.multinomial goes through all words each time.
        sums = None if noise is None else torch.from_numpy(noise.cumsum() / noise.sum()).float()
        self.register_buffer("sums", sums, persistent=False)

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        return self.network(*batch) if self.sums is None else self.network(*batch, self.draw(len(batch[0])))

    def draw(self, number: int) -> Tensor:
        """Return negatives (number, negatives)."""
        random = torch.rand(number, self.negatives, device=self.sums.device)
        return torch.searchsorted(self.sums, random, right=True).clamp(max=len(self.sums) - 1)

    def on_train_batch_start(self, batch: tuple[Tensor, ...], index: int) -> None:
        torch.manual_seed(hash((self.seed, self.current_epoch, index)) % 2**63)

    def training_step(self, batch: tuple[Tensor, ...], _: int) -> Tensor:
        loss = self.loss(batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch[0]))
        return loss

    def on_validation_epoch_start(self) -> None:
        torch.manual_seed(self.seed)  # the same negatives after every epoch

    def validation_step(self, batch: tuple[Tensor, ...], _: int) -> None:
        self.log("val_score", -self.loss(batch), on_epoch=True, batch_size=len(batch[0]))

    def configure_optimizers(self) -> dict:
        return optimisation(self, lr=self.lr, weight_decay=0.0)


class PairBatches(Dataset):
    """Whole batches of rows of `columns`, each (n,): to fetch pairs one by one takes longer than to learn from them."""

    def __init__(self, columns: Sequence[np.ndarray], batch_size: int):
        self.columns, self.batch_size = [torch.from_numpy(column) for column in columns], batch_size

    def __len__(self) -> int:
        return -(-len(self.columns[0]) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return tuple(column[rows] for column in self.columns)


def _only(items: list):
    return items[0]
