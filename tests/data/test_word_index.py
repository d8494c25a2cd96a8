import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capsight.data.word_index import Vocabulary, pad, split_words
from capsight.errors import UserError

TEXTS = [
    "The film, the FILM: the end.",
    "A film it is!<br /><br />It's the end",
    "is it a good film? The film, a: not the.",
]
# the 6, film 5, a 3, end 2, it 2, is 2, it's 1, good 1, not 1
WORDS = ("the", "film", "a", "end", "it", "is", "it's", "good", "not")


def keras_load_data(ranks, num_words, skip_top, start_char, oov_char, index_from):
    """`keras.datasets.imdb.load_data` on lists of ranks, rewritten from its description, step by step."""
    encoded = []
    for review in ranks:
        review = [rank + index_from for rank in review]
        if start_char is not None:
            review = [start_char, *review]
        kept = []
        for index in review:
            if index >= skip_top and (num_words is None or index < num_words):
                kept.append(index)
            elif oov_char is not None:
                kept.append(oov_char)
        encoded.append(kept)
    return encoded


def keras_pad_sequences(sequences, maxlen):
    """`pad_sequences` with padding="pre" and truncating="pre"."""
    rows = []
    for sequence in sequences:
        kept = [sequence[i] for i in range(max(0, len(sequence) - maxlen), len(sequence))]
        rows.append([0] * (maxlen - len(kept)) + kept)
    return rows


def test_words_are_split_as_keras_splits_them():
    words = ["it's", "i", "great", "i", "really", "it", "is", "10", "10"]
    assert split_words("It's <i>GREAT</i>...really,\tit\r\nis: 10/10!") == words
    assert split_words("good.<br /><br />bad<br />") == ["good", "bad"]
    assert split_words(" -- !?") == [] == split_words("")


def test_three_is_the_third_most_frequent_word():
    vocabulary = Vocabulary.count(TEXTS)
    assert vocabulary.words == WORDS  # of equally frequent ones the first that is met
    assert vocabulary.word_index["a"] == 3
    plain = Vocabulary.count(TEXTS, start_char=None, oov_char=None, index_from=0)
    assert plain.encode("a") == [3]
    assert vocabulary.encode("a") == [1, 3 + 3]


def test_the_usual_encoding():
    vocabulary = Vocabulary.count(TEXTS, num_words=9, skip_top=5)
    # the 4, film 5, a 6, end 7, it 8, is 9, it's 10; below 5, the mark of the start too, and from 9 on: 2
    assert vocabulary.encode("The film it's, a film it is") == [2, 2, 5, 2, 6, 5, 8, 2]
    assert vocabulary.encode("unheard of") == [2]
    assert vocabulary.decode([0, 1, 2, 4, 5, 99]) == "[padding] [start] [unknown] the film [99]"


@settings(max_examples=150, deadline=None)
@given(
    ranks=st.lists(st.lists(st.integers(1, 9), max_size=12), min_size=1, max_size=4),
    num_words=st.none() | st.integers(6, 20),
    skip_top=st.integers(0, 5),
    start_char=st.none() | st.just(1),
    oov_char=st.none() | st.just(2),
    index_from=st.integers(0, 4),
    length=st.integers(1, 15),
)
def test_it_is_what_keras_describes(ranks, num_words, skip_top, start_char, oov_char, index_from, length):
    options = dict(skip_top=skip_top, start_char=start_char, oov_char=oov_char, index_from=index_from)
    vocabulary = Vocabulary(WORDS, num_words=num_words, **options)
    texts = [" ".join(WORDS[rank - 1] for rank in review) for review in ranks]
    encoded = [vocabulary.encode(text) for text in texts]
    assert encoded == keras_load_data(ranks, num_words=num_words, **options)
    assert all(index < vocabulary.size for review in encoded for index in review)
    assert pad(encoded, length).tolist() == keras_pad_sequences(encoded, length)


def test_an_embedding_needs_size_rows():
    assert Vocabulary(WORDS).size == 9 + 3 + 1
    assert Vocabulary(WORDS, num_words=8).size == 8
    assert Vocabulary(WORDS, num_words=800).size == 13
    assert max(Vocabulary(WORDS).encode(" ".join(WORDS))) == 12  # without num_words the rarest word is kept


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), {}),
        (WORDS, {"num_words": 0}),
        (WORDS, {"num_words": 4}),
        (WORDS, {"num_words": 8, "skip_top": 8}),
        (WORDS, {"skip_top": 13}),
    ],
)
def test_a_vocabulary_of_zero_words_is_refused(words, options):
    with pytest.raises(UserError) as error:
        Vocabulary(words, **options)
    assert "\n" not in str(error.value)


def test_the_last_word_that_is_left_is_allowed():
    assert Vocabulary(WORDS, num_words=5).encode("the film") == [1, 4, 2]
    assert Vocabulary(WORDS, skip_top=12).encode("the not") == [2, 2, 12]


@pytest.mark.parametrize("texts", [[], [""], ["...", "<br />"]])
def test_texts_without_words_are_refused(texts):
    with pytest.raises(UserError, match="no word"):
        Vocabulary.count(texts)


def test_sequences_of_length_zero_and_of_ten_thousand():
    long = list(range(1, 10_001))
    padded = pad([[], long, [7]], 4)
    assert padded.dtype == np.int64
    assert padded.tolist() == [[0] * 4, long[-4:], [0, 0, 0, 7]]
    assert pad([long], 10_000).tolist() == [long]
    assert pad([], 4).shape == (0, 4)
    assert Vocabulary(WORDS).encode("") == [1]
    assert len(Vocabulary(WORDS).encode("the " * 10_000)) == 10_001


def test_nothing_to_read_is_refused():
    with pytest.raises(UserError, match="length=0"):
        pad([[1]], 0)


def test_a_vocabulary_can_be_kept():
    vocabulary = Vocabulary.count(TEXTS, num_words=9)
    assert pickle.loads(pickle.dumps(vocabulary)) == vocabulary
