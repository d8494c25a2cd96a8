"""The small text of the language models: its sentences, and what they consist of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from capsight.data.sentences import make_sentences
from capsight.errors import UserError

PADDING, END = 0, 1  # END also stands before a sentence, where nothing has been said yet
FEWEST = 10


def read_sentences(file: str, *, seed: int) -> dict[str, list[str]]:
    """Return the sentences of a file, one a line, dealt to "train" (8 in 10), "val" and "test"; without one, made ones.

    A sentence that stands there twice is taken once. Raises UserError where the file is none of text or holds fewer
    than ten.
    """
    if not file:
        return make_sentences(seed)
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UserError(f"lesson.text={file} cannot be read: {reason}; give a file with one sentence a line.") from None
    sentences = list(dict.fromkeys(" ".join(line.split()) for line in lines if line.strip()))
    if len(sentences) < FEWEST:
        raise UserError(f"lesson.text={file} holds {len(sentences)} sentences; give {FEWEST} or more, one a line.")
    order = np.random.default_rng(seed).permutation(sentences).tolist()
    tenth = len(order) // 10
    return {"test": order[:tenth], "val": order[tenth : 2 * tenth], "train": order[2 * tenth :]}


@dataclass(frozen=True)
class Tokens:
    """Sentences as numbers: one a character (`between` is empty) or one a word (`between` is a space)."""

    known: tuple[str, ...]
    between: str

    @classmethod
    def of(cls, sentences: Iterable[str], between: str) -> "Tokens":
        """Number all tokens that occur in `sentences`."""
        return cls(tuple(sorted({token for sentence in sentences for token in _split(sentence, between)})), between)

    @property
    def number(self) -> int:
        """How many there are, PADDING and END included."""
        return len(self.known) + 2

    def encode(self, text: str) -> list[int]:
        """Return END and the text's tokens. Raises UserError for a token that does not occur in the text."""
        numbers = {token: number for number, token in enumerate(self.known, PADDING + 2)}
        if unknown := [token for token in _split(text, self.between) if token not in numbers]:
            raise UserError(f"{unknown[0]!r} in {text!r} does not occur in the sentences; use what they consist of.")
        return [END, *(numbers[token] for token in _split(text, self.between))]

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text up to the first END behind its beginning."""
        tokens = []
        for number in list(numbers)[1:]:
            if number <= END:
                break
            tokens.append(self.known[number - 2])
        return self.between.join(tokens)

    def batch(self, sentences: Sequence[str]) -> Tensor:
        """Return (n, longest + 2): END, a sentence, END, and PADDING behind."""
        return pad_sequence([torch.tensor([*self.encode(one), END]) for one in sentences], True, PADDING)


def _split(text: str, between: str) -> list[str]:
    return text.split() if between else list(text)
