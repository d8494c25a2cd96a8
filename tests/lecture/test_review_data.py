import io
import tarfile

import numpy as np
import pandas as pd
import pytest

from capsight.errors import UserError
from capsight.lecture.review_data import accuracy, some_reviews


@pytest.fixture
def archive(tmp_path):
    """Thirty reviews for training and four for testing."""
    with tarfile.open(tmp_path / "aclImdb_v1.tar.gz", "w:gz") as tar:
        for split, number in (("train", 15), ("test", 2)):
            for label in ("pos", "neg"):
                for row in range(number):
                    text = f"{split} {label} {row}".encode()
                    member = tarfile.TarInfo(f"aclImdb/{split}/{label}/{row}_5.txt")
                    member.size = len(text)
                    tar.addfile(member, io.BytesIO(text))
    return tmp_path / "aclImdb_v1.tar.gz"


def test_without_an_archive_reviews_are_made():
    reviews = some_reviews("", 40, seed=0)
    assert len(reviews) == 40 and set(reviews["split"]) == {"train", "test"}
    assert set(reviews["label"]) == {0, 1}
    assert reviews.equals(some_reviews("", 40, seed=0))
    with pytest.raises(UserError, match="lesson.reviews=19"):
        some_reviews("", 19, seed=0)


def test_from_an_archive_some_are_drawn_and_all_tests_stay(archive):
    every = some_reviews(str(archive), 0, seed=0)
    assert every["split"].value_counts().to_dict() == {"train": 30, "test": 4}
    drawn = some_reviews(str(archive), 12, seed=0)
    assert drawn["split"].value_counts().to_dict() == {"train": 12, "test": 4}
    assert set(drawn["text"]) < set(every["text"])
    assert set(drawn["label"]) == {0, 1}
    assert set(some_reviews(str(archive), 12, seed=1)["text"]) != set(drawn["text"])
    assert drawn.index.equals(pd.RangeIndex(16))


def test_more_than_there_are_is_refused(archive):
    with pytest.raises(UserError, match="holds 30"):
        some_reviews(str(archive), 31, seed=0)


def test_an_accuracy_is_a_share_with_an_interval_over_groups():
    right = np.array([1, 1, 1, 0, 0, 0, 1, 1, 1, 1], bool)
    groups = pd.Series(["a", "a", "a", "b", "b", "b", "c", "d", "d", "e"])
    found = accuracy(right, groups, seed=0)
    assert found["value"] == 0.7
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(1000):
        rows = np.concatenate([np.flatnonzero(groups == name) for name in rng.choice(list("abcde"), 5)])
        shares.append(right[rows].mean())
    assert [found["low"], found["high"]] == pytest.approx(np.quantile(shares, [0.025, 0.975]), abs=0.1)


def test_reviews_of_one_movie_are_no_more_than_one():
    right = np.arange(400) % 40 < 30  # ten copies of forty groups, each all right or all wrong
    copies, singles = (accuracy(right, pd.Series(groups), seed=0) for groups in (np.arange(400) % 40, np.arange(400)))
    widths = [found["high"] - found["low"] for found in (copies, singles)]
    assert widths[0] > 2 * widths[1]
