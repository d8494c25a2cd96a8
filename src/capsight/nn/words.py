"""Word embeddings: skip-gram with negative sampling, and GloVe. Indices in, a loss out; `vectors` are learned.

Both raise ValueError for a vocabulary without words.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SkipGram(nn.Module):
    """A word tells its neighbours from words drawn at random (Mikolov et al. 2013, arXiv:1310.4546, equation 4)."""

    def __init__(self, words: int = 1000, width: int = 50):
        super().__init__()
        _check(words)
        self.centre = nn.Embedding(words, width)
        self.context = nn.Embedding(words, width)
        # As in word2vec.c: small, and zero for the contexts, so that every loss starts at log 2.
        nn.init.uniform_(self.centre.weight, -0.5 / width, 0.5 / width)
        nn.init.zeros_(self.context.weight)

    @property
    def vectors(self) -> Tensor:
        """(words, width)."""
        return self.centre.weight.detach()

    def forward(self, centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
        """Return the mean loss: -log s(c · o) - sum over k of log s(-c · n_k), s the logistic function.

        centre (B,), context (B,): words that stand near each other. negatives (B, K): words drawn at random.
        """
        word = self.centre(centre)
        near = (word * self.context(context)).sum(-1)
        far = torch.einsum("bd,bkd->bk", word, self.context(negatives))
        return -(F.logsigmoid(near) + F.logsigmoid(-far).sum(-1)).mean()


class GloVe(nn.Module):
    """Factorises the logarithm of how often words occur together (Pennington et al. 2014, EMNLP, equation 8)."""

    def __init__(self, words: int = 1000, width: int = 50, *, most: float = 100.0, power: float = 0.75):
        super().__init__()
        _check(words)
        self.most, self.power = most, power
        self.word, self.word_bias = nn.Embedding(words, width), nn.Embedding(words, 1)
        self.context, self.context_bias = nn.Embedding(words, width), nn.Embedding(words, 1)
        for weights in self.parameters():
            nn.init.uniform_(weights, -0.5 / width, 0.5 / width)

    @property
    def vectors(self) -> Tensor:
        """(words, width): the sum of a word's two vectors (section 4.2)."""
        return (self.word.weight + self.context.weight).detach()

    def forward(self, word: Tensor, context: Tensor, count: Tensor) -> Tensor:
        """Return the mean of f(X) (w · c + b + b' - log X)², f(X) = min(1, (X / most) ** power).

        word (B,), context (B,): pairs of words that occur together. count (B,): how often, X > 0.
        """
        product = (self.word(word) * self.context(context)).sum(-1)
        biases = self.word_bias(word) + self.context_bias(context)
        weight = (count / self.most).clamp(max=1) ** self.power
        return (weight * (product + biases.squeeze(-1) - count.log()) ** 2).mean()


def _check(words: int) -> None:
    if words < 1:
        raise ValueError(f"words must be 1 or more, not {words}: there is nothing to learn")
