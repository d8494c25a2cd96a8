"""Who trains, who selects, who is tested: frames of one patient never stand on two sides."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from capsight.data.deal import deal_groups
from capsight.errors import UserError


def split_frames(
    table: pd.DataFrame,
    findings: Sequence[str],
    *,
    by: str = "patient",
    folds: int = 5,
    fold: int = 0,
    unseen_devices: Sequence[str] = (),
    seed: int = 0,
) -> pd.Series:
    """Return train, val, test or <NA> for each frame; `by` is patient, published or frame."""
    if by == "patient":
        return split_by_patient(table, findings, folds=folds, fold=fold, seed=seed, unseen_devices=unseen_devices)
    if len(unseen_devices):
        raise UserError(f"unseen_devices needs a split by patient, not by {by}; set by=patient.")
    if by == "published":
        return published_split(table, findings, folds=folds, seed=seed)
    if by == "frame":
        return split_by_frame(table, findings, folds=folds, fold=fold, seed=seed)
    raise UserError(f"split by {by!r} is not known; choose patient, published or frame.")


def split_by_patient(
    table: pd.DataFrame,
    findings: Sequence[str],
    *,
    folds: int = 5,
    fold: int = 0,
    seed: int = 0,
    unseen_devices: Sequence[str] = (),
    together: np.ndarray | None = None,
) -> pd.Series:
    """Split a manifest so that no patient and no video stands on two sides.

    The patients are dealt to `folds` folds, balanced by finding and device: fold `fold` is tested, the next one
    validates, the others train. The deal depends on the seed, not on `fold` and not on the order of the rows; it
    serves rare findings best in fold 0. Patients of unseen devices are tested. A frame without a patient goes with
    its video; without a video too it is tested. `together` (m, 2) are row positions that must not be parted; a frame
    without patient and video that is so tied to a patient outside the test is not used (<NA>).

    Returns train, val, test or <NA> with the index of the table.
    Raises UserError where there are too few patients, or no frames of an unseen device.
    """
    _check_fold(folds, fold)
    unknown = [device for device in unseen_devices if not (table["device"] == device).fillna(False).any()]
    if unknown:
        has = ", ".join(table["device"].dropna().unique())
        raise UserError(f"no frame comes from the unseen device {', '.join(unknown)}; the manifest has {has}.")
    group = patient_groups(table, together)
    orphan = (table["patient"].isna() & table["video"].isna()).to_numpy()
    unseen = np.isin(group, group[table["device"].isin(list(unseen_devices)).to_numpy()])
    dealt = np.isin(group, group[~orphan]) & ~unseen
    folds_of_frames = np.full(len(table), fold)
    # Among equals training comes first, then test, then validation, as fold 0 sees them.
    preference = np.argsort([2, 0, 1, *range(3, folds)])
    folds_of_frames[dealt] = deal_groups(table[dealt], group[dealt], findings, seed=seed, preference=preference)
    split = _sides(folds_of_frames, folds, fold)
    split[orphan & (split != "test")] = None
    sides = {side: bool((split[dealt] == side).sum()) for side in ("train", "val", "test")}
    sides["test"] |= bool(unseen.any())
    if not all(sides.values()):
        none = ", ".join(side for side, filled in sides.items() if not filled)
        raise UserError(f"no patients are left for {none} in fold {fold} of {folds}; take fewer folds, or fold=0.")
    return pd.Series(split, index=table.index, dtype="string", name="split")


def published_split(table: pd.DataFrame, findings: Sequence[str], *, folds: int = 5, seed: int = 0) -> pd.Series:
    """Return the split of the manifest; what is published without a test is tested on its validation frames.

    Where no validation frames are left, about a fold of the training patients validates instead.
    Raises UserError where the manifest has no split, no training frames, or nothing to test on.
    """
    if "split" not in table or table["split"].isna().all():
        raise UserError("the manifest has no published split (column split); split by patient instead.")
    split = table["split"].astype("string").rename("split").copy()
    if not (split == "test").any():
        split = split.replace("val", "test")
    for side in ("train", "test"):
        if not (split == side).any():
            raise UserError(f"the published split has no {side} frames; split by patient instead.")
    if not (split == "val").any():
        train = table[(split == "train").fillna(False)]
        inner = split_by_patient(train, findings, folds=folds, seed=seed)
        split[train.index[(inner == "test").fillna(False)]] = "val"
    return split


def split_by_frame(
    table: pd.DataFrame, findings: Sequence[str], *, folds: int = 5, fold: int = 0, seed: int = 0
) -> pd.Series:
    """Split frame by frame, balanced by finding and device. It leaks: patients stand on all sides. For comparison."""
    _check_fold(folds, fold)
    if len(table) < folds:
        raise UserError(f"{len(table)} frames are too few for {folds} folds.")
    chance = pd.Series(np.random.default_rng(seed).permutation(len(table)), index=np.sort(table["path"].to_numpy()))
    strata = table[["device", *findings]].astype("string").fillna("").assign(chance=table["path"].map(chance))
    order = np.lexsort([strata[column].to_numpy() for column in reversed(strata.columns)])
    folds_of_frames = np.empty(len(table), np.int64)
    folds_of_frames[order] = np.arange(len(table)) % folds
    return pd.Series(_sides(folds_of_frames, folds, fold), index=table.index, dtype="string", name="split")


def patient_groups(table: pd.DataFrame, together: np.ndarray | None = None) -> np.ndarray:
    """Number the groups (n,) of frames that hang together by patient, by video or by a pair of `together` (m, 2)."""
    n, rows, columns = len(table), [], []
    nodes = n
    for name in ("patient", "video"):
        codes = pd.factorize(table[name])[0]
        known = np.flatnonzero(codes >= 0)
        rows.append(known)
        columns.append(codes[known] + nodes)
        nodes += len(known)
    if together is not None and len(together):
        rows.append(together[:, 0])
        columns.append(together[:, 1])
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(nodes, nodes))
    return connected_components(graph, directed=False)[1][:n]


def _check_fold(folds, fold):
    if folds < 3 or not 0 <= fold < folds:
        raise UserError(f"fold {fold} of {folds}: there must be 3 folds or more, and fold is one of 0 to folds - 1.")


def _sides(folds_of_frames, folds, fold):
    split = np.full(len(folds_of_frames), "train", dtype=object)
    split[folds_of_frames == (fold + 1) % folds] = "val"
    split[folds_of_frames == fold] = "test"
    return split
