from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsight.lecture.caption_scores import measure_captions, word_errors

PHRASES = st.lists(st.sampled_from("abc"), max_size=5)


@cache
def slow_errors(true, written):
    """The definition, by trying everything."""
    if not true or not written:
        return len(true) + len(written)
    replaced = slow_errors(true[1:], written[1:]) + (true[0] != written[0])
    return min(replaced, slow_errors(true[1:], written) + 1, slow_errors(true, written[1:]) + 1)


@given(PHRASES, PHRASES)
def test_word_errors_are_the_fewest_edits(true, written):
    assert word_errors(true, written) == slow_errors(tuple(true), tuple(written))


TRUE = [
    "one polyp near the lumen, some blood",
    "clean mucosa",
    "some blood",
    "two polyps on the wall",
    "clean mucosa",
    "much content",
]
WRITTEN = [
    "one polyp on the wall, some blood",  # the place is wrong: two words of seven
    "clean mucosa",
    "much blood",  # one word of two
    "two polyps on the wall",
    "some blood",  # both words
    "",  # both words
]
PATIENTS = ["a", "b", "c", "d", "e", "f"]


def values(scores):
    return {name: part["value"] for name, part in scores.items()}


def test_scores_counted_by_hand():
    scores = measure_captions(TRUE, WRITTEN, PATIENTS, seed=0)
    findings = scores.pop("findings")
    assert values(scores) == pytest.approx({"exact": 2 / 6, "exact_with_finding": 1 / 4, "word_accuracy": 1 - 7 / 20})
    assert values(findings["polyp"]) == {"precision": 1, "recall": 1, "all_right": 0.5}
    assert values(findings["bleeding"]) == pytest.approx({"precision": 2 / 3, "recall": 1, "all_right": 0.5})
    assert values(findings["content"]) == {"precision": None, "recall": 0, "all_right": 0}
    assert values(findings["inflammation"]) == {"precision": None, "recall": None, "all_right": None}
    assert findings["inflammation"]["recall"]["reason"] == "no such frame"


def test_a_comma_is_no_word():
    scores = measure_captions(["some blood, some content"] * 3, ["some blood"] * 3, list("abc"), seed=0)
    assert scores["word_accuracy"]["value"] == 0.5


def test_intervals_are_over_patients():
    true, written = ["some blood"] * 40, ["some blood"] * 20 + ["clean mucosa"] * 20
    wide, narrow = (
        measure_captions(true, written, patients, seed=0)["exact"]
        for patients in (["a"] * 10 + ["b"] * 10 + ["c"] * 10 + ["d"] * 10, [f"p{row}" for row in range(40)])
    )
    assert wide["value"] == narrow["value"] == 0.5
    assert wide["high"] - wide["low"] > 1.5 * (narrow["high"] - narrow["low"])
    few = measure_captions(true, written, ["a"] * 20 + ["b"] * 20, seed=0)["exact"]
    assert few["low"] is None and few["reason"] == "fewer than three patients"
