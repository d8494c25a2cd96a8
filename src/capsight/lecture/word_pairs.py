"""Which words stand near each other: pairs for the skip-gram, and counts for GloVe."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array

from capsight.data.word_index import Vocabulary
from capsight.progress import track


class Tokens(NamedTuple):
    """The words of all texts, one after the other, and the text that each stands in: both (n,) int32."""

    word: np.ndarray
    text: np.ndarray


def read_tokens(texts: Iterable[str], vocabulary: Vocabulary) -> Tokens:
    """Encode `texts` and string them together; a text without words adds nothing."""
    encoded = [np.array(vocabulary.encode(text), np.int32) for text in track(texts, "Encoding words")]
    number = np.repeat(np.arange(len(encoded), dtype=np.int32), [len(words) for words in encoded])
    return Tokens(np.concatenate([*encoded, np.empty(0, np.int32)]), number)


def thin_out(tokens: Tokens, often: float, rng: np.random.Generator) -> Tokens:
    """Leave out frequent words at random: a word that is the share f of all stays with probability sqrt(often / f).

    "the" says little of its neighbours. Words on either side of one that is left out move together, as in word2vec.c.
    often: 0 leaves everything in. Mikolov et al. 2013 (arXiv:1310.4546), equation 5.
    """
    if not often:
        return tokens
    share = np.bincount(tokens.word) / max(1, len(tokens.word))
    kept = rng.random(len(tokens.word)) < np.sqrt(often / share[tokens.word])
    return Tokens(tokens.word[kept], tokens.text[kept])


def near_pairs(tokens: Tokens, window: int, rng: np.random.Generator) -> np.ndarray:
    """Pair every word with those up to b places away in its text, b drawn for it from 1 to `window`: (n, 2) int32.

    So nearer words are paired more often (Mikolov et al. 2013, arXiv:1301.3781, section 3.2).
    """
    reach = rng.integers(1, window + 1, size=len(tokens.word))
    pairs = [np.empty((0, 2), np.int32)]
    for distance in range(1, window + 1):
        left, right = _apart(tokens, distance)
        pair = np.stack([tokens.word[left], tokens.word[right]], axis=1)
        pairs += [pair[reach[left] >= distance], pair[reach[right] >= distance, ::-1]]
    return np.concatenate(pairs)


def cooccurrences(tokens: Tokens, window: int, words: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count how often words occur together, two that stand d ≤ `window` places apart as 1 / d.

    Returns word, context (n,) int32 and count (n,) float32 of all pairs that occur, in either order. Pennington et al.
    2014, section 4.2.
    """
    counts = csr_array((words, words))
    for distance in range(1, window + 1):
        left, right = _apart(tokens, distance)
        weights = np.full(len(left), 1 / distance)
        counts += coo_array((weights, (tokens.word[left], tokens.word[right])), counts.shape).tocsr()
    both = (counts + counts.T).tocoo()
    return both.row.astype(np.int32), both.col.astype(np.int32), both.data.astype(np.float32)


def _apart(tokens: Tokens, distance: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of all words that stand `distance` apart in one text, the left ones and the right ones."""
    left = np.flatnonzero(tokens.text[:-distance] == tokens.text[distance:])
    return left, left + distance
