"""Four networks that read a text, (B, T) word indices, and give logits (B, classes): negative, positive.

Index 0 is padding, and padding changes nothing: it may stand before the words, behind them, or be all there is. A text
may have any length, also 0. `words` are the indices there are, padding included; ValueError where there is none.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from .recurrent import LSTM


class EmbeddingMLP(nn.Module):
    """The mean of the words' embeddings, then one hidden layer: it cannot know the order of the words."""

    def __init__(self, words: int = 1000, classes: int = 2, *, width: int = 32, hidden: int = 32, dropout: float = 0.3):
        super().__init__()
        self.embedding = _embedding(words, width)
        self.layers = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, classes)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        number = (tokens != 0).sum(1, keepdim=True).clamp(min=1)
        return self.layers(self.embedding(tokens).sum(1) / number)


class ConvText(nn.Module):
    """Convolutions over `sizes` neighbouring words, the largest response of each filter (Kim 2014, arXiv:1408.5882)."""

    def __init__(
        self,
        words: int = 1000,
        classes: int = 2,
        *,
        width: int = 32,
        filters: int = 64,
        sizes: tuple[int, ...] = (2, 3),
        dropout: float = 0.5,
    ):
        super().__init__()
        self.margin = max(sizes) - 1
        self.embedding = _embedding(words, width)
        self.dropout = nn.Dropout(dropout)
        self.convolutions = nn.ModuleList(nn.Conv1d(width, filters, size) for size in sizes)
        self.classifier = nn.Linear(filters * len(sizes), classes)

    def forward(self, tokens: Tensor) -> Tensor:
        # Zeros on both sides, so that even a text without words has something to be looked at, and a text
        # gives the same whether padding stands beside it or not.
        tokens = F.pad(_to_the_right(tokens)[0], (self.margin, self.margin))
        channels = self.dropout(self.embedding(tokens)).transpose(1, 2)  # (B, width, T)
        strongest = [convolution(channels).relu().amax(2) for convolution in self.convolutions]
        return self.classifier(self.dropout(torch.cat(strongest, 1)))


class RecurrentText(nn.Module):
    """The state of a recurrent network after the last word. `recurrent` takes (B, T, width) and is batch first."""

    def __init__(self, recurrent: nn.RNNBase, words: int = 1000, classes: int = 2, *, dropout: float = 0.3):
        super().__init__()
        self.embedding = _embedding(words, recurrent.input_size)
        self.dropout = nn.Dropout(dropout)
        self.recurrent = recurrent
        self.classifier = nn.Linear(recurrent.hidden_size, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens, lengths = _to_the_right(tokens)
        embedded = self.dropout(self.embedding(tokens))
        packed = pack_padded_sequence(embedded, lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, state = self.recurrent(packed)
        last = state[0] if isinstance(state, tuple) else state
        return self.classifier(self.dropout(last[-1]))


class RNNText(RecurrentText):
    """A vanilla RNN's state after the last word."""

    def __init__(self, words: int = 1000, classes: int = 2, *, width: int = 32, hidden: int = 64, dropout: float = 0.3):
        super().__init__(nn.RNN(width, hidden, batch_first=True), words, classes, dropout=dropout)


class LSTMText(RecurrentText):
    """An LSTM's state after the last word."""

    def __init__(self, words: int = 1000, classes: int = 2, *, width: int = 32, hidden: int = 64, dropout: float = 0.3):
        super().__init__(LSTM(width, hidden), words, classes, dropout=dropout)


def _embedding(words: int, width: int) -> nn.Embedding:
    """Begin small, as Keras does: with torch's N(0, 1), a rare word that was never learned shouts down the others."""
    if words < 1:
        raise ValueError(f"words must be 1 or more, not {words}: padding is one")
    embedding = nn.Embedding(words, width, padding_idx=0)
    nn.init.uniform_(embedding.weight, -0.05, 0.05)
    with torch.no_grad():
        embedding.weight[0] = 0
    return embedding


def _to_the_right(tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Move padding behind the words; returns (B, longest) and the lengths (B,), at least 1 each."""
    if tokens.ndim != 2:
        raise ValueError(f"tokens must be (B, T), not {tuple(tokens.shape)}")
    lengths = (tokens != 0).sum(1).clamp(min=1)
    order = (tokens == 0).int().argsort(dim=1, stable=True)
    longest = int(lengths.max()) if len(lengths) else 1
    return F.pad(tokens.gather(1, order), (0, 1))[:, :longest], lengths
