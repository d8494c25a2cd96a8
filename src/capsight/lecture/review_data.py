"""What the lessons that read reviews share: the reviews, and how sure an accuracy is."""

import numpy as np
import pandas as pd

from capsight.data.made_reviews import make_reviews
from capsight.data.reviews import read_reviews
from capsight.errors import UserError
from capsight.evaluation.bootstrap import Interval, draw_patients, interval

RESAMPLES = 1000


def some_reviews(archive: str, number: int, *, seed: int) -> pd.DataFrame:
    """Return `number` reviews drawn from `archive`, 0 for all; made ones where there is no archive.

    The reviews that were published for testing are always all there, and do not count.
    """
    if not archive:
        if number < 20:
            raise UserError(f"lesson.reviews={number} is too few to train on and to test; make 20 or more.")
        return make_reviews(number, seed=seed)
    reviews = read_reviews(archive)
    published = reviews[reviews["split"] == "train"]
    if number > len(published):
        raise UserError(f"lesson.reviews={number}, but {archive} holds {len(published):,}; give at most that, or 0.")
    if number:
        published = published.sample(number, random_state=seed)
    return pd.concat([published, reviews[reviews["split"] == "test"]], ignore_index=True)


def accuracy(right: np.ndarray, groups: pd.Series, *, seed: int) -> Interval:
    """Return the share of `right` (n,) with an interval from drawing whole groups: movies, or texts."""
    drawn = draw_patients(groups.astype("string"), RESAMPLES, seed)
    shares = drawn.weights @ np.bincount(drawn.group, right) / (drawn.weights @ np.bincount(drawn.group))
    return interval(shares)
