import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from capsight.data.cohort import CONDITIONS, PREVALENCE, make_cohort
from capsight.errors import UserError

COHORT = make_cohort(patients=4000, codes=80, diseases=4, seed=0)
REGIONAL, BUNDLED = slice(0, 50), slice(50, 70)  # five eighths, a quarter; the rest is noise


def test_shapes_and_kinds():
    assert COHORT.counts.shape == (4000, 80) and np.issubdtype(COHORT.counts.dtype, np.integer)
    assert COHORT.counts.min() == 0
    assert COHORT.diseases.shape == (4000, 4) and COHORT.diseases.dtype == bool
    assert COHORT.conditions.shape == (4000, CONDITIONS)
    assert COHORT.diseases.mean(0) == pytest.approx([PREVALENCE] * 4, abs=0.05)


def test_the_seed_decides():
    again, other = (make_cohort(patients=50, codes=16, diseases=2, seed=seed) for seed in (0, 1))
    same = make_cohort(patients=50, codes=16, diseases=2, seed=0)
    assert all(np.array_equal(a, b) for a, b in zip(again, same, strict=True))
    assert not np.array_equal(again.counts, other.counts)


def test_a_code_is_frequent_in_one_region_of_the_conditions():
    frequent = np.flatnonzero((COHORT.counts[:, REGIONAL] > 1).sum(0) > 50)
    assert len(frequent) > 20
    spreads = [COHORT.conditions[COHORT.counts[:, code] > 1].var(0).sum() for code in frequent]
    assert np.median(spreads) < 0.5 * COHORT.conditions.var(0).sum()


def test_bundled_codes_come_together_and_say_nothing_of_a_disease():
    bundle = (COHORT.counts[:, BUNDLED] > 0).astype(float)
    correlation = np.corrcoef(bundle.T)
    assert correlation[0, 12] > 0.1 > abs(correlation[0, 1])  # the twelfth after it is of the same bundle
    for disease in COHORT.diseases.T:
        assert abs(bundle[disease].sum(1).mean() - bundle[~disease].sum(1).mean()) < 0.5


def test_a_disease_hangs_on_the_conditions_but_on_no_weighted_sum_of_them():
    train, test = slice(0, 3000), slice(3000, None)
    for disease in COHORT.diseases.T:
        scores = [
            model.fit(COHORT.conditions[train], disease[train]).predict_proba(COHORT.conditions[test])[:, 1]
            for model in (KNeighborsClassifier(50), LogisticRegression())
        ]
        near, linear = (roc_auc_score(disease[test], score) for score in scores)
        assert near > 0.85 and near > linear + 0.02


@pytest.mark.parametrize("wrong", [{"patients": 9}, {"codes": 7}, {"diseases": 0}])
def test_too_little_is_refused(wrong):
    with pytest.raises(UserError, match="cannot be drawn"):
        make_cohort(**{"patients": 20, "codes": 8, "diseases": 1} | wrong)
    make_cohort(patients=10, codes=8, diseases=1)
