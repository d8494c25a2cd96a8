import numpy as np
import pytest
from scipy.stats import entropy

from capsight.evaluation.uncertainty import uncertainty


def test_equals_scipys_entropy_frame_by_frame():
    passes = np.random.default_rng(0).uniform(size=(7, 5, 2))
    summary = uncertainty(passes)
    for frame, finding in np.ndindex(5, 2):
        p = passes[:, frame, finding]
        assert summary["mean_probability"][frame, finding] == pytest.approx(p.mean(), abs=1e-6)
        assert summary["standard_deviation"][frame, finding] == pytest.approx(p.std(), abs=1e-6)
        total, expected = entropy([p.mean(), 1 - p.mean()]), np.mean([entropy([q, 1 - q]) for q in p])
        assert summary["predictive_entropy"][frame, finding] == pytest.approx(total, abs=1e-6)
        assert summary["expected_entropy"][frame, finding] == pytest.approx(expected, abs=1e-6)
        assert summary["mutual_information"][frame, finding] == pytest.approx(total - expected, abs=1e-6)


def test_members_that_agree_have_no_mutual_information():
    summary = uncertainty(np.full((4, 1), 0.3))
    assert summary["mutual_information"][0] == 0
    assert summary["expected_entropy"][0] == summary["predictive_entropy"][0] > 0.6


def test_certain_members_that_disagree_have_nothing_else():
    summary = uncertainty(np.array([[0.0], [1.0]]))
    assert summary["expected_entropy"][0] == 0
    assert summary["mutual_information"][0] == pytest.approx(np.log(2))


def test_nan_stays_nan():
    assert np.isnan(uncertainty(np.array([[np.nan], [0.5]]))["mutual_information"][0])
