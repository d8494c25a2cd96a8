import numpy as np
import pandas as pd
import pytest

from capsight.data.deal import deal_groups, spread_over_patients
from capsight.errors import UserError


def test_the_first_fold_of_the_preference_gets_what_there_is_once():
    table = pd.DataFrame({"path": [f"{i}" for i in range(8)], "device": "a", "polyp": [1, 1, 0, 0, 0, 0, 0, 0]})
    group = np.repeat(np.arange(4), 2)
    for first in (0, 1):
        folds = deal_groups(table, group, ["polyp"], seed=3, preference=[0, 1] if first == 0 else [1, 0])
        assert set(folds[:2]) == {first}
        assert (np.bincount(folds) == 4).all()
    with pytest.raises(UserError, match="4 patients are too few for 5 folds"):
        deal_groups(table, group, ["polyp"], seed=3, preference=range(5))


def test_a_draw_is_spread_over_the_patients():
    table = pd.DataFrame({"path": [f"{i}" for i in range(110)], "patient": ["big"] * 100 + ["small"] * 8 + ["one"] * 2})
    some = spread_over_patients(table, 12, seed=0)
    assert some["patient"].value_counts().to_dict() == {"big": 5, "small": 5, "one": 2}
    assert some["path"].astype(int).is_monotonic_increasing
    assert spread_over_patients(table, 1000, seed=0)["path"].tolist() == table["path"].tolist()
    assert spread_over_patients(table, 12, seed=1)["path"].tolist() != some["path"].tolist()
