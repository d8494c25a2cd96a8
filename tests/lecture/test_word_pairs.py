from collections import Counter

import numpy as np
import pytest

from capsight.data.word_index import Vocabulary
from capsight.lecture.word_pairs import Tokens, cooccurrences, near_pairs, read_tokens, thin_out


def tokens(texts):
    words = [np.array(text, np.int32) for text in texts]
    return Tokens(np.concatenate(words), np.repeat(np.arange(len(words), dtype=np.int32), [len(w) for w in words]))


TEXTS = [[1, 2, 3, 4, 5, 1, 2], [], [6], [3, 3, 2, 6, 6, 6, 1, 4]]


def test_texts_are_strung_together():
    vocabulary = Vocabulary(("a", "b", "c"), start_char=None, oov_char=None, index_from=0)
    read = read_tokens(["b a zzz", "", "!?", "c"], vocabulary)
    assert read.word.tolist() == [2, 1, 3] and read.text.tolist() == [0, 0, 3]
    assert len(read_tokens([], vocabulary).word) == 0


@pytest.mark.parametrize("window", [1, 2, 20])
def test_counts_pair_by_pair(window):
    slow = Counter()
    for text in TEXTS:
        for i, word in enumerate(text):
            for j, context in enumerate(text):
                if i != j and abs(i - j) <= window:
                    slow[word, context] += 1 / abs(i - j)
    word, context, count = cooccurrences(tokens(TEXTS), window, 7)
    assert len(set(zip(word, context, strict=True))) == len(word)
    found = {(int(a), int(b)): float(x) for a, b, x in zip(word, context, count, strict=True)}
    assert found.keys() == slow.keys()
    assert all(found[pair] == pytest.approx(slow[pair]) for pair in slow)


def test_pairs_of_a_window_of_one_pair_by_pair():
    slow = Counter()
    for text in TEXTS:
        for left, right in zip(text, text[1:], strict=False):
            slow[left, right] += 1
            slow[right, left] += 1
    assert Counter(map(tuple, near_pairs(tokens(TEXTS), 1, np.random.default_rng(0)).tolist())) == slow


def test_nearer_words_are_paired_more_often():
    """Every word draws how far it reaches, so of those d apart (window + 1 - d) / window are paired."""
    number, window = 4000, 4
    text = Tokens(np.arange(number, dtype=np.int32), np.zeros(number, np.int32))
    pairs = near_pairs(text, window, np.random.default_rng(0))
    distances = Counter((pairs[:, 1] - pairs[:, 0]).tolist())
    assert set(distances) == {d for d in range(-window, window + 1) if d}
    for d, times in distances.items():
        assert times / number == pytest.approx((window + 1 - abs(d)) / window, abs=0.04)
    reach = {}
    for word, context in pairs.tolist():
        reach.setdefault(word, set()).add(abs(word - context))
    assert all(far == set(range(1, max(far) + 1)) for far in reach.values())


def test_frequent_words_are_thinned_out():
    words = Tokens(np.repeat([1, 2, 3], [9000, 900, 100]).astype(np.int32), np.zeros(10_000, np.int32))
    kept = np.bincount(thin_out(words, 0.01, np.random.default_rng(0)).word, minlength=4)
    assert kept[3] == 100
    assert kept[2] == pytest.approx(900 * (0.01 / 0.09) ** 0.5, rel=0.15)
    assert kept[1] == pytest.approx(9000 * (0.01 / 0.9) ** 0.5, rel=0.15)
    assert thin_out(words, 0, np.random.default_rng(0)) is words


def test_nothing_and_a_text_of_ten_thousand_words():
    rng = np.random.default_rng(0)
    for texts in ([], [[]], [[4]]):
        read = tokens([[], *texts])
        assert len(near_pairs(thin_out(read, 0.1, rng), 3, rng)) == len(cooccurrences(read, 3, 7)[0]) == 0
    long = tokens([rng.integers(1, 7, size=10_000)])
    assert near_pairs(long, 2, rng).shape[1] == 2
    assert cooccurrences(long, 2, 7)[2].sum() == pytest.approx(2 * (9_999 + 9_998 / 2))
