"""How well a linear classifier tells groups of frames apart, such as devices, by patients it was not trained on."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from capsight.evaluation.bootstrap import draw_patients, patient_groups, why_no_interval
from capsight.evaluation.shift.drawn import Drawn, absent

FOLDS = 5
STRENGTH = 0.01  # inverse of the penalty on standardised features: there are more of them than patients


def tell_apart(
    features: np.ndarray, kind: Sequence, patients: Sequence | pd.Series, *, resamples: int, seed: int
) -> Drawn:
    """Return the balanced accuracy of telling the kinds apart, cross-validated over patients.

    features (n, d), kind (n,), patients (n,). A logistic regression on standardised features, every kind weighing the
    same, predicts each fold of patients from the others. Patients are drawn within their kind; the classifiers stay.
    1 / kinds is chance. No value where a kind has fewer than two patients.
    """
    kinds, kind = np.unique(np.asarray(kind, dtype=str), return_inverse=True)
    group, known = patient_groups(patients)
    fold = deal_folds(kind, group, seed=seed)
    if len(kinds) < 2:
        return absent(resamples, "one device only")
    if any(len(np.unique(fold[kind == number])) < 2 for number in range(len(kinds))):
        return absent(resamples, "fewer than two patients")
    right = np.zeros(len(kind), dtype=bool)
    for number in np.unique(fold):
        here = fold == number
        if len(np.unique(kind[~here])) == len(kinds):
            right[here] = _classifier().fit(features[~here], kind[~here]).predict(features[here]) == kind[here]
    recalls, reason = [], None
    for number in range(len(kinds)):
        of = kind == number
        drawn = draw_patients(pd.Series(patients).reset_index(drop=True)[of], resamples, seed + number)
        hits, total = (
            drawn.weights @ np.bincount(drawn.group[rows], minlength=drawn.weights.shape[1])
            for rows in (right[of], slice(None))
        )
        recalls.append(hits / np.where(total > 0, total, np.nan))
        reason = reason or why_no_interval(known, group[of])
    return Drawn(np.mean(recalls, axis=0), reason)


def deal_folds(kind: np.ndarray, group: np.ndarray, *, folds: int = FOLDS, seed: int) -> np.ndarray:
    """Deal patients to folds, those of each kind in turn, so that every fold has all kinds while patients last.

    kind and group (n,) int. A patient of two kinds has one fold.
    """
    rng, fold_of = np.random.default_rng(seed), {}
    for number in np.unique(kind):
        free = [one for one in rng.permutation(np.unique(group[kind == number])) if one not in fold_of]
        fold_of |= {one: turn % folds for turn, one in enumerate(free)}
    return np.array([fold_of[one] for one in group])


def _classifier():
    return make_pipeline(
        StandardScaler(), LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=300, tol=1e-3)
    )
