"""Every method wins back what a known shift costs, and the source's network alone does not.

Compared within one test and on average over the seeds, as one training depends on rounding.
"""

import pytest
from toy_training import SEEDS, TINTED, TWO_CUES, lift, mean, score, source_trained, trained_idly

from capsight.adaptation.methods import METHODS, build_adaptation

# Weights are larger than the defaults where 150 steps are too few, and for an embedding of 16 small numbers.
LIFTS = [
    (TINTED, "adabn", {}),
    (TINTED, "shot", {}),
    (TINTED, "tent", {"mode": "online"}),
    (TINTED, "tent", {"mode": "episodic"}),
    (TINTED, "fda", {}),
    (TINTED, "colour_transfer", {}),
    (TINTED, "mixstyle", {"layers": ["pixels"]}),
    (TWO_CUES, "deep_coral", {"weight": 1e5}),
    (TWO_CUES, "dan", {}),
    (TWO_CUES, "dann", {"weight": 3.0, "hidden": 32}),
    (TWO_CUES, "cdan", {"weight": 3.0, "hidden": 32}),
    (TWO_CUES, "mcd", {}),
    (TWO_CUES, "few_shot", {}),
    (TWO_CUES, "joint", {}),
]


@pytest.mark.parametrize(("toy", "name", "settings"), LIFTS)
def test_lifts_the_target(toy, name, settings):
    gain = lift(toy, *build_adaptation({name: settings}).methods)
    assert gain.accuracy > 0.05 and gain.auroc > -0.02


@pytest.mark.parametrize("toy", [TINTED, TWO_CUES])
def test_the_shift_costs_where_nothing_is_done(toy):
    for train in (source_trained, trained_idly):
        lost = []
        for seed in SEEDS:
            network, problem = train(toy, seed), toy.problem(seed)
            lost.append(score(network, problem.source_test) - score(network, problem.test))
        assert mean(lost).accuracy > 0.1 and mean(lost).auroc > 0


def test_every_method_is_here():
    assert {name for _, name, _ in LIFTS} == {*METHODS}
