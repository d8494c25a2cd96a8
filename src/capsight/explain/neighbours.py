"""The nearest training frames of other patients: the explanation by example."""

import numpy as np
import pandas as pd
from sklearn.metrics import euclidean_distances

from capsight.errors import UserError
from capsight.evaluation.bootstrap import patient_groups
from capsight.progress import track

MEMORY = 4_000_000  # distances at a time: 16 MB
LABEL = "label_"


def nearest(
    bank_embeddings: np.ndarray,
    bank_table: pd.DataFrame,
    query_embeddings: np.ndarray,
    query_patients: pd.Series,
    k: int = 5,
) -> pd.DataFrame:
    """Find the `k` nearest frames of the bank for each query, of `k` different patients, none of them its own.

    bank_embeddings (n, d), bank_table: n rows with path, patient, device and label_F per finding; query_embeddings
    (m, d), query_patients (m,). Returns one row per neighbour: query (position, 0 to m - 1), rank (from 1), path,
    patient, device, distance (Euclidean), findings (in words) and label_F.

    A query has fewer rows where the bank has fewer other patients, and none where its embedding is not finite. A frame
    of the bank without patient is nobody's neighbour, because it may be of the query's own patient or of one that is
    there already. A query without patient is compared with all patients. Raises UserError where the embeddings are of
    two models, or `k` is below 1.
    """
    bank, queries = np.asarray(bank_embeddings, dtype=np.float32), np.asarray(query_embeddings, dtype=np.float32)
    if bank.shape[1:] != queries.shape[1:]:
        raise UserError(
            f"embeddings of {bank.shape[1]} and {queries.shape[1]} numbers are not of one model; use one run."
        )
    if k < 1:
        raise UserError(f"k={k} neighbours cannot be shown; ask for at least 1.")
    patients = pd.concat([bank_table["patient"], pd.Series(query_patients)]).astype("string")
    group, unknown = patient_groups(patients)
    bank_group, query_group = np.split(group, [len(bank)])
    usable = np.flatnonzero((bank_group < unknown) & np.isfinite(bank).all(axis=1))
    searching = np.flatnonzero(np.isfinite(queries).all(axis=1))
    rows, found_group = [], bank_group[usable]
    chunk = max(1, MEMORY // max(1, len(usable)))
    starts = range(0, len(searching) if len(usable) else 0, chunk)
    for start in track(starts, "Searching neighbours") if len(starts) > 20 else starts:
        query = searching[start : start + chunk]
        distance = euclidean_distances(queries[query], bank[usable])
        taken = query_group[query]  # the patients that are out: first the query's own, then each that was found
        for rank in range(1, min(k, unknown) + 1):
            distance[found_group == taken[:, None]] = np.inf
            best = distance.argmin(axis=1)
            rows.append((query, np.full(len(query), rank), usable[best], distance.min(axis=1)))
            taken = found_group[best]
    return _table(bank_table, rows)


def sentence(neighbours: pd.DataFrame, finding: str) -> str:
    """Say how many of one query's neighbours, rows of `nearest`, show a finding, and of how many nobody knows.

    Raises UserError for a finding that the bank has no labels of.
    """
    if LABEL + finding not in neighbours:
        known = ", ".join(name.removeprefix(LABEL) for name in neighbours if name.startswith(LABEL))
        raise UserError(f"the training frames have no finding {finding!r}; they have {known or 'none'}.")
    if neighbours.empty:
        return "there is no training frame of another patient to compare it with"
    labels, n = neighbours[LABEL + finding], len(neighbours)
    unknown, shown = labels.isna().sum(), labels.eq(1).fillna(False).sum()
    frames = f"its {n} nearest training frames of other patients" if n > 1 else "1 training frame of another patient"
    if unknown == n:
        return f"none of {frames} is labelled for {finding}"
    words = f"{shown or 'none'} of {frames} {'show' if shown > 1 else 'shows'} {finding}"
    return words + (f", and {unknown} {'are' if unknown > 1 else 'is'} not labelled for it" if unknown else "")


def _table(bank_table: pd.DataFrame, rows: list[tuple[np.ndarray, ...]]) -> pd.DataFrame:
    parts = zip(*rows, strict=True) if rows else [[np.empty(0, int)]] * 3 + [[np.empty(0)]]
    query, rank, row, distance = (np.concatenate(part) for part in parts)
    there = np.isfinite(distance)  # where not, no patient was left
    order = np.lexsort((rank[there], query[there]))
    query, rank, row, distance = (part[there][order] for part in (query, rank, row, distance))
    labels = [name for name in bank_table if name.startswith(LABEL)]
    table = bank_table[["path", "patient", "device", *labels]].iloc[row].reset_index(drop=True)
    table.insert(0, "query", query)
    table.insert(1, "rank", rank)
    table.insert(5, "distance", distance)
    table.insert(6, "findings", _in_words(table[labels].rename(columns=lambda name: name.removeprefix(LABEL))))
    return table


def _in_words(labels: pd.DataFrame) -> list[str]:
    """Name the findings that each frame has: "polyp, bleeding", "none", or "not labelled" where nothing is known."""
    values = labels.to_numpy(dtype=float, na_value=np.nan)
    without = np.where(np.isfinite(values).any(axis=1), "none", "not labelled")
    return [", ".join(labels.columns[row == 1]) or other for row, other in zip(values, without, strict=True)]
