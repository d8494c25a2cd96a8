"""How far apart two devices lie in the embedding of a model.

Two samples of one device are not at distance 0 either: noise pushes the Fréchet distance upwards, the more the fewer
frames and the more dimensions, and frames of a patient resemble each other, which moves all three. So every distance
stands beside the same between two halves of the source's own patients, of which the frames are as many or fewer.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist
from sklearn.metrics.pairwise import euclidean_distances

from capsight.data.deal import spread_over_patients
from capsight.evaluation.bootstrap import Interval, interval, nothing, patient_groups
from capsight.evaluation.shift.cells import Cell
from capsight.evaluation.shift.drawn import Drawn
from capsight.evaluation.shift.telling import tell_apart

DISTANCES = ("proxy_a_distance", "mmd", "frechet")
FRAMES = 300  # of each side, spread over the patients
NO_INTERVAL = "no interval: drawing patients again adds to this distance; hold it against that of two halves"


class Embedded(NamedTuple):
    """Some frames of one side: (n, d) and (n,)."""

    points: np.ndarray
    patients: pd.Series


def from_devices(cell: Cell, *, resamples: int, seed: int) -> dict:
    """Measure how far the target's frames that may adapt lie from the source's validation frames: all, and by device.

    Both are of patients that no network was trained on.
    """
    (known, points), (there, other) = (cell.files.embedded(split) for split in ("validation", "adapt"))
    target, devices = Embedded(other, there["patient"]), known["device"].astype("string")
    names = sorted(devices.dropna().unique()) if devices.nunique() > 1 else []
    of_device = {name: (devices == name).to_numpy(bool, na_value=False) for name in names}
    how = {"resamples": resamples, "seed": seed}
    by_device = {
        name: measure_distances(Embedded(points[rows], known["patient"][rows]), target, **how)
        for name, rows in of_device.items()
    }
    whole = measure_distances(Embedded(points, known["patient"]), target, **how)
    return {"run": cell.run, "all": whole, "by_device": by_device}


def measure_distances(source: Embedded, target: Embedded, *, resamples: int, seed: int) -> dict:
    """Return {"n_source", "n_target", "proxy_a_distance": I, "mmd": I, "frechet": I, "halves": {the same}}.

    Every side has as many frames as the smaller one has, FRAMES at most. "halves" are two halves of the source's
    patients.
    """
    if reason := _why_none(source, target):
        none = dict.fromkeys(DISTANCES, nothing(reason))
        return {"n_source": len(source.points), "n_target": len(target.points), **none, "halves": none}
    n = min(len(source.points), len(target.points), FRAMES)
    one, other = (_some(side, n, seed) for side in (source, target))
    found = {"n_source": len(one.points), "n_target": len(other.points)}
    found |= _distances(one, other, resamples, seed)
    return found | {"halves": _distances(*_halves(source, n, seed), resamples, seed)}


def proxy_a_distance(one: Embedded, other: Embedded, *, resamples: int, seed: int) -> Drawn:
    """2 (1 - 2 error) of a linear classifier that tells the sides: 0 for no difference, 2 for a perfect one.

    Ben-David et al. 2007, Analysis of representations for domain adaptation, 4; the error is that of `tell_apart`, the
    mean of both sides. Below 0 where the classifier does worse than chance.
    """
    kind = np.repeat([0, 1], [len(one.points), len(other.points)])
    points = np.concatenate([one.points, other.points])
    patients = pd.concat([one.patients, other.patients], ignore_index=True)
    told = tell_apart(points, kind, patients, resamples=resamples, seed=seed)
    return Drawn(2 * (2 * told.values - 1), told.reason)


def mmd(one: np.ndarray, other: np.ndarray) -> float:
    """Squared maximum mean discrepancy, unbiased, so that it may be below 0; (n, d) and (m, d).

    Gretton et al. 2012, A kernel two-sample test, eq. 3, with a Gaussian kernel as wide as the median distance.
    """
    both = np.concatenate([one, other])
    width = np.median(pdist(both)) ** 2
    if width == 0:
        return 0.0
    kernel = np.exp(-euclidean_distances(both, squared=True) / (2 * width))
    n = len(one)
    own, others = ((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (kernel[:n, :n], kernel[n:, n:]))
    return float(own + others - 2 * kernel[:n, n:].mean())


def frechet(one: np.ndarray, other: np.ndarray) -> float:
    """Fréchet distance of two Gaussians in units of the variance of the first: (n, d) and (m, d); biased upwards.

    Dowson and Landau 1982; used on embeddings by Heusel et al. 2017, GANs trained by a two time-scale update rule. The
    trace of the root of the product of the covariances is the sum of the singular values of the product of the centred
    samples, which needs no covariance and may have fewer frames than dimensions.
    """
    centred = [(side - side.mean(axis=0)) / np.sqrt(len(side) - 1) for side in (one, other)]
    variances = [(side**2).sum() for side in centred]
    shared = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
    apart = ((one.mean(axis=0) - other.mean(axis=0)) ** 2).sum()
    return float(max(apart + sum(variances) - 2 * shared, 0) / variances[0])


def _why_none(source: Embedded, target: Embedded) -> str | None:
    if min(len(source.points), len(target.points)) < 2:
        return "fewer than two frames"
    if not all(np.isfinite(side.points).all() for side in (source, target)):
        return "NaN embeddings"
    return "all frames of the source have the same embedding" if np.ptp(source.points, axis=0).max() == 0 else None


def _distances(one: Embedded, other: Embedded, resamples: int, seed: int) -> dict[str, Interval]:
    if reason := _why_none(one, other):
        return dict.fromkeys(DISTANCES, nothing(reason))
    values = [of(one.points, other.points) for of in (mmd, frechet)]
    told = proxy_a_distance(one, other, resamples=resamples, seed=seed).interval()
    return dict(zip(DISTANCES, [told, *(interval(np.array([value]), NO_INTERVAL) for value in values)], strict=True))


def _some(side: Embedded, n: int, seed: int) -> Embedded:
    table = side.patients.reset_index(drop=True).rename("patient").to_frame()
    rows = spread_over_patients(table, n, seed).index.to_numpy()
    return Embedded(side.points[rows].astype(float), table["patient"].iloc[rows])


def _halves(side: Embedded, n: int, seed: int) -> tuple[Embedded, Embedded]:
    group, _ = patient_groups(side.patients)
    order = np.random.default_rng(seed).permutation(np.unique(group))
    first = np.isin(group, order[::2])
    n = min(n, first.sum(), (~first).sum())
    halves = (_some(_take(side, rows), n, seed) for rows in (first, ~first))
    return tuple(halves)


def _take(side: Embedded, rows: Sequence[bool] | np.ndarray) -> Embedded:
    return Embedded(side.points[rows], side.patients[rows])
