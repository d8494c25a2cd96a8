import re

import numpy as np

from capsight.data.made_reviews import BAD, DISLIKED, GOOD, LIKED, make_reviews, order_pairs
from capsight.data.reviews import split_reviews


def opinion(text):
    """Read a review as a person would: good words and denied bad ones speak for the film, and the other way round."""
    votes = []
    for denied, word in re.findall(r"(not )?(\w+)", text):
        if word in GOOD or word in BAD:
            votes.append((word in GOOD) != bool(denied))
    votes += [True for said in LIKED if said in text] + [False for said in DISLIKED if said in text]
    return votes


def test_the_label_is_what_is_said():
    table = make_reviews(300, seed=0)
    for text, label in zip(table["text"], table["label"], strict=True):
        assert set(opinion(text)) == {bool(label)}


def test_words_alone_do_not_tell():
    """In many reviews of either kind good words stand beside bad ones."""
    table = make_reviews(300, seed=0)
    words = table["text"].str.findall(r"\w+").map(set)
    both = words.map(lambda said: bool(said & set(GOOD)) and bool(said & set(BAD)))
    assert both.groupby(table["label"]).mean().between(0.2, 0.8).all()


def test_it_is_a_table_of_reviews():
    table = make_reviews(200, seed=0)
    assert list(table) == ["text", "label", "rating", "split", "movie"]
    assert (table["split"] == "test").sum() == 20
    assert table["rating"].isna().all() and table["movie"].isna().all()
    assert 60 < table["label"].sum() < 140
    assert table["text"].str.len().between(30, 400).all()
    sides = split_reviews(table, held_out=0.2, validation=0.1, seed=0)
    assert {"train", "val", "held_out", "test"} <= set(sides)


def test_seeds_and_sizes():
    assert make_reviews(30, seed=1).equals(make_reviews(30, seed=1))
    assert not make_reviews(30, seed=1)["text"].equals(make_reviews(30, seed=2)["text"])
    assert len(make_reviews(0, seed=1)) == 0


def test_pairs_differ_as_their_kind_says():
    pairs = order_pairs()
    assert set(pairs["kind"]) == {"negation", "order"}
    assert len(pairs) == len(pairs.drop_duplicates()) == 20 + 20 + 20 * 20
    for kind, positive, negative in pairs.itertuples(index=False):
        assert set(opinion(positive)) == {True} and set(opinion(negative)) == {False}
        same = sorted(re.findall(r"\w+", positive)) == sorted(re.findall(r"\w+", negative))
        assert same == (kind == "order")


def test_words_are_good_or_bad_and_the_first_are_the_most_frequent():
    assert len(set(GOOD + BAD)) == len(GOOD) + len(BAD) == 60
    text = " ".join(make_reviews(2000, seed=0)["text"])
    counts = np.array([len(re.findall(rf"\b{word}\b", text)) for word in GOOD])
    assert counts[:10].sum() > 1.5 * counts[-10:].sum() > 0
