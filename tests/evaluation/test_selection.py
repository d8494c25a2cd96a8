"""Selection scores against slow twins, what they may see, and what they choose."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import entropy
from sklearn.metrics import roc_auc_score

from capsight.errors import UserError
from capsight.evaluation.selection import (
    PROTOCOLS,
    information_maximisation,
    mean_auroc,
    score,
    soft_neighbourhood_density,
)

FINDINGS = ["polyp", "bleeding"]
RNG = np.random.default_rng(0)


def table(n=60, sharp=2.0, seed=0, known=True):
    rng = np.random.default_rng(seed)
    columns = {"path": [f"{seed}_{i}.png" for i in range(n)], "patient": [f"p{i % 6}" for i in range(n)]}
    for finding in FINDINGS:
        label = rng.random(n) < 0.4
        columns[f"label_{finding}"] = pd.array(label.astype(int) if known else [pd.NA] * n, dtype="Int8")
        columns[f"logit_{finding}"] = sharp * (2 * label - 1) + rng.normal(size=n)
        columns[finding] = label.astype(int)
    return pd.DataFrame(columns)


def hidden_from(adapt):
    return adapt[["path", *FINDINGS]].sample(frac=1, random_state=0)  # in another order


def test_mean_auroc_is_scikit_learns():
    frames = table()
    expected = [roc_auc_score(frames[name], frames[f"logit_{name}"]) for name in FINDINGS]
    assert mean_auroc(frames, FINDINGS) == pytest.approx(np.mean(expected))
    one_class = frames.assign(label_polyp=pd.array([0] * len(frames), dtype="Int8"))
    assert mean_auroc(one_class, FINDINGS) == pytest.approx(expected[1])
    assert mean_auroc(one_class, ["polyp"]) is None


def test_information_maximisation_is_a_mutual_information():
    probabilities = expit(RNG.normal(size=(40, 2), scale=2))
    values = []
    for column in probabilities.T:
        joint = np.stack([column, 1 - column], axis=1) / len(column)  # p(frame, answer)
        apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
        values.append(entropy(joint.ravel(), apart.ravel()))
    assert information_maximisation(probabilities) == pytest.approx(np.mean(values))


def test_information_maximisation_is_highest_for_sure_and_varied_answers():
    sure, unsure, collapsed = (np.array([[a], [b]] * 20) for a, b in ((0.99, 0.01), (0.6, 0.4), (0.99, 0.99)))
    values = [information_maximisation(p) for p in (sure, unsure, collapsed)]
    assert values[0] > values[1] > values[2] - 1e-9
    assert values[2] == pytest.approx(0, abs=1e-12)


def test_soft_neighbourhood_density_is_that_of_a_loop(monkeypatch):
    monkeypatch.setattr("capsight.evaluation.selection.CHUNK", 7)
    probabilities = expit(RNG.normal(size=(25, 3)))
    values = []
    for i, one in enumerate(probabilities):
        own, similar = np.concatenate([one, 1 - one]), []
        for j, other in enumerate(probabilities):
            vector = np.concatenate([other, 1 - other])
            if j != i:
                similar.append(own @ vector / np.linalg.norm(own) / np.linalg.norm(vector) / 0.05)
        values.append(entropy(np.exp(np.array(similar))))
    assert soft_neighbourhood_density(probabilities) == pytest.approx(np.mean(values))


def test_soft_neighbourhood_density_is_higher_for_two_dense_groups_than_for_scattered_frames():
    grouped = expit(np.repeat([[4.0], [-4.0]], 30, axis=0) + 0.1 * RNG.normal(size=(60, 1)))
    scattered = RNG.random((60, 1))
    assert soft_neighbourhood_density(grouped) > soft_neighbourhood_density(scattered)
    assert soft_neighbourhood_density(grouped[:1]) is None


def test_a_training_that_diverged_has_no_score():
    """NaN would stand first for ever, as nothing is larger, and JSON has none."""
    nan = {f"logit_{finding}": np.nan for finding in FINDINGS}
    validation, adapt = table(seed=1).assign(**nan), table(seed=2, known=False).assign(**nan)
    for unlabelled in ("information_maximisation", "soft_neighbourhood_density"):
        for protocol in PROTOCOLS:
            options = {"hidden": hidden_from(adapt), "unlabelled": unlabelled}
            assert score(protocol, findings=FINDINGS, validation=validation, adapt=adapt, **options) is None


def test_only_the_oracle_sees_target_labels():
    validation, adapt = table(seed=1), table(seed=2, known=False)
    wrong = hidden_from(adapt).assign(polyp=lambda t: 1 - t["polyp"], bleeding=lambda t: 1 - t["bleeding"])
    for protocol in PROTOCOLS:
        told, lied = (
            score(protocol, findings=FINDINGS, validation=validation, adapt=adapt, hidden=hidden)
            for hidden in (hidden_from(adapt), wrong)
        )
        assert (told == lied) == (protocol != "target_labelled_oracle")


def test_labels_that_the_training_saw_do_not_change_the_score_without_labels():
    adapt, shown = table(seed=2, known=False), table(seed=2)
    for unlabelled in ("information_maximisation", "soft_neighbourhood_density"):
        scores = {
            score("target_unlabelled", findings=FINDINGS, validation=shown, adapt=frames, unlabelled=unlabelled)
            for frames in (adapt, shown)
        }
        assert len(scores) == 1


def test_the_oracle_leaves_out_frames_whose_labels_the_training_saw():
    adapt = table(seed=3, known=False)
    seen = adapt.index < 20
    labels = {f"label_{name}": adapt[f"label_{name}"].mask(seen, adapt[name]) for name in FINDINGS}
    adapt = adapt.assign(**labels)
    value = score("target_labelled_oracle", findings=FINDINGS, validation=adapt, adapt=adapt, hidden=hidden_from(adapt))
    rest = adapt[~seen]
    expected = [roc_auc_score(rest[name], rest[f"logit_{name}"]) for name in FINDINGS]
    assert value == pytest.approx(np.mean(expected))


def test_scores_prefer_the_better_model():
    better, worse = table(seed=4, sharp=3), table(seed=4, sharp=0.3)
    for protocol in ("source_validation", "target_labelled_oracle"):
        hidden = hidden_from(better)
        values = []
        for frames in (better, worse):
            known = [f"label_{name}" for name in FINDINGS]
            adapt = frames.assign(**{name: pd.array([pd.NA] * len(frames), dtype="Int8") for name in known})
            values.append(score(protocol, findings=FINDINGS, validation=frames, adapt=adapt, hidden=hidden))
        assert values[0] > values[1]


@pytest.mark.parametrize(
    "settings, told",
    [
        ({"protocol": "best"}, "selection 'best' is not known"),
        ({"protocol": "target_labelled_oracle"}, "needs the labels that were hidden"),
        ({"protocol": "target_unlabelled", "unlabelled": "luck"}, "'luck' is no score"),
    ],
)
def test_refuses_what_is_not_known(settings, told):
    with pytest.raises(UserError, match=told):
        score(**settings, findings=FINDINGS, validation=table(), adapt=table())
