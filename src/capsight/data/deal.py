"""Dealing patients to folds, so that every fold gets its share of every finding and of every device.

scikit-learn's StratifiedGroupKFold balances frames over folds. Where two videos hold all frames of a finding it may
well put both into one fold, and nothing is left for the others. So patients are counted here first, frames only among
equals: a finding of three patients has one in each of three folds.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from capsight.errors import UserError


def deal_groups(
    table: pd.DataFrame,
    group: np.ndarray,
    findings: Sequence[str],
    *,
    seed: int,
    preference: Sequence[int],
) -> np.ndarray:
    """Deal whole groups (n,) of frames to folds, balanced by finding and device; return a fold for each frame (n,).

    The rarest finding is dealt first (after Sechidis et al. 2011, "On the stratification of multi-label data"). Among
    equals the fold with the lowest `preference` (folds,) comes first. UserError for fewer groups than folds.
    """
    # Groups are numbered by their first path, so that the order of the rows does not matter.
    first = table["path"].groupby(group).min().sort_values()
    folds = len(preference)
    if len(first) < folds:
        raise UserError(
            f"{len(first)} patients are too few for {folds} folds; take fewer folds (3 at least). "
            "A video id that several patients share makes one patient of them."
        )
    unit = pd.Index(first.index).get_indexer(group)
    positive, size = _counts(table, unit, len(first), findings)  # (unit, finding, device), (unit, device) frames
    rng = np.random.default_rng(seed)
    # Large groups first, for small ones level the folds later; among groups of similar size by chance.
    order = np.lexsort([rng.random(len(first)), -np.round(np.log2(size.sum(axis=1)))])
    deal = _Deal(positive, size, preference)
    for finding in np.argsort((positive.sum(axis=2) > 0).sum(axis=0), kind="stable"):
        holds = positive[:, finding] > 0  # (unit, device)
        for device in np.argsort(holds.sum(axis=0), kind="stable"):
            for one in order[holds[order, device]]:
                deal.give(one, finding, device)
    for one in order:
        deal.give(one)
    return deal.fold[unit]


def spread_over_patients(table: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Draw at most `n` frames, patient by patient in turn; they keep their order and their index."""
    shuffled = table.sample(frac=1, random_state=seed)
    turn = shuffled.groupby("patient", dropna=False).cumcount()
    return table.loc[turn.sort_values(kind="stable").index[:n].sort_values()]


def _counts(table, unit, n_units, findings):
    device = pd.factorize(table["device"].fillna(""), sort=True)[0]
    size = np.zeros((n_units, device.max() + 1))
    np.add.at(size, (unit, device), 1)
    positive = np.zeros((n_units, len(findings), device.max() + 1))
    for number, finding in enumerate(findings):
        np.add.at(positive[:, number], (unit, device), (table[finding] == 1).fillna(False).to_numpy(float))
    return positive, size


class _Deal:
    """The state of a deal: which group is in which fold, and where the next one is wanted most."""

    def __init__(self, positive, size, preference):
        self.positive, self.size = positive, size
        self.fold = np.full(len(size), -1)
        self.preference = np.asarray(preference)

    def give(self, one, finding=None, device=None):
        """Put a group, if it has no fold yet, where its finding, its device or else its frames are rarest."""
        if self.fold[one] >= 0:
            return
        frames, folds = self.size.sum(axis=1), len(self.preference)
        if finding is None:
            wants = [self._in_folds(self.size[:, self.size[one].argmax()] > 0)]
        else:
            holds = self.positive[:, finding] > 0
            anywhere = holds.any(axis=1)
            wants = [self._in_folds(holds[:, device]), self._in_folds(anywhere)]
            if anywhere.sum() < folds:
                wants.append(self.preference)
            elif holds[:, device].sum() < folds:
                wants.insert(1, self.preference)
            wants.append(self._in_folds(self.positive[:, finding].sum(axis=1)))
        wants += [self._in_folds(frames), self.preference]
        self.fold[one] = np.lexsort(wants[::-1])[0]

    def _in_folds(self, amount):
        given = self.fold >= 0
        return np.bincount(self.fold[given], weights=amount[given], minlength=len(self.preference))
