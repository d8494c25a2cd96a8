"""Text as numbers, encoded as Keras encodes its review set: words are indexed by how often they occur."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from capsight.errors import UserError
from capsight.progress import track

PADDING = 0
_BREAKS = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n\r', " "))  # Keras's Tokenizer's; and \r


def split_words(text: str) -> list[str]:
    """Return the words of a text in lower case; punctuation but the apostrophe, and HTML's <br />, part words."""
    return text.replace("<br />", " ").lower().translate(_BREAKS).split()


@dataclass(frozen=True)
class Vocabulary:
    """The words that a corpus holds, the most frequent first, and how `keras.datasets.imdb.load_data` numbers them.

    The word of rank r (from 1) has the index r + index_from; 0 is padding. Every sequence begins with `start_char`
    (None: no mark). A word whose index is below `skip_top`, or not below `num_words`, becomes `oov_char` (None: it is
    left out), so an embedding needs `size` rows, at most num_words. A word that the corpus does not hold is left out.
    As in Keras, the two limits look at the index and not at the rank, the mark of the start included: with the usual
    numbers, num_words=10000 keeps 9,996 words, and skip_top=20 skips 16 and turns the mark into oov_char.
    In one thing it follows Keras's description and not its code: without num_words, the rarest word is kept too.

    Raises UserError where no word is left.
    """

    words: tuple[str, ...]
    num_words: int | None = None
    skip_top: int = 0
    start_char: int | None = 1
    oov_char: int | None = 2
    index_from: int = 3

    def __post_init__(self):
        if not self.words:
            raise UserError("the vocabulary has no word; give texts that hold words.")
        if self.size <= max(self.index_from + 1, self.skip_top):
            raise UserError(
                f"num_words={self.num_words}, skip_top={self.skip_top} leave none of {len(self.words):,} words; "
                f"indices of words begin at {self.index_from + 1}."
            )

    @classmethod
    def count(cls, texts: Iterable[str], **options) -> "Vocabulary":
        """Rank the words of `texts`; of equally frequent ones, the one that is met first comes first."""
        counts = Counter()
        for text in track(texts, "Counting words"):
            counts.update(split_words(text))
        return cls(tuple(word for word, _ in counts.most_common()), **options)

    @cached_property
    def word_index(self) -> dict[str, int]:
        """The rank of every word, from 1: 3 is the third most frequent one (Keras's `get_word_index`)."""
        return {word: rank for rank, word in enumerate(self.words, 1)}

    @property
    def size(self) -> int:
        """One more than the highest index: the rows of an embedding."""
        every = len(self.words) + self.index_from + 1
        return every if self.num_words is None else min(self.num_words, every)

    def encode(self, text: str) -> list[int]:
        """Return the indices of a text's words. An empty text gives the mark of the start alone."""
        ranks = (self.word_index.get(word) for word in split_words(text))
        start = [] if self.start_char is None else [self.start_char]
        indices = start + [rank + self.index_from for rank in ranks if rank]
        if self.oov_char is None:
            return [index for index in indices if self.skip_top <= index < self.size]
        return [index if self.skip_top <= index < self.size else self.oov_char for index in indices]

    def decode(self, indices: Iterable[int]) -> str:
        """Return the words of indices; what stands for no word is shown in brackets: [padding], [start], [unknown]."""
        marks = {PADDING: "[padding]", self.start_char: "[start]", self.oov_char: "[unknown]"}
        ranks = ((int(index), int(index) - self.index_from - 1) for index in indices)
        return " ".join(
            self.words[rank] if 0 <= rank < len(self.words) else marks.get(index, f"[{index}]") for index, rank in ranks
        )


def pad(sequences: Sequence[Sequence[int]], length: int) -> np.ndarray:
    """Return (n, length) int64: the last `length` indices of every sequence, zeros before a shorter one (Keras).

    A sequence of length 0 is all padding; of one of 10,000 only its end is kept, which also drops the mark of the
    start. The networks of `capsight.nn.text` pass over padding.
    """
    if length < 1:
        raise UserError(f"length={length} keeps nothing of a review; it must be 1 or more.")
    padded = np.full((len(sequences), length), PADDING, np.int64)
    for row, sequence in zip(padded, sequences, strict=True):
        end = sequence[-length:]
        row[length - len(end) :] = end
    return padded
