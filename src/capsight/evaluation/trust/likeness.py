"""Is a frame like the training frames? Three scores, each higher the less it is.

knn_distance: Euclidean distance to the k-th nearest training frame between embeddings of length 1 (Sun et al.
2022, Out-of-distribution detection with deep nearest neighbors). mahalanobis_distance: distance from the mean
of the training frames in units of their spread (Lee et al. 2018, A simple unified framework for detecting
out-of-distribution samples), here of one Gaussian, because a frame has several findings or none, with the
covariance of Ledoit and Wolf 2004, which can be inverted for fewer frames than dimensions. energy: minus
the sum over findings of log(1 + exp(logit)) (JointEnergy of Wang et al. 2021, Can multi-label classification
networks know what they don't know?).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import cholesky, solve_triangular
from sklearn.covariance import ledoit_wolf
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from capsight.errors import UserError
from capsight.evaluation.bootstrap import Interval, draw_patients, interval, nothing, why_no_interval
from capsight.evaluation.statistics import ranking_statistics

SCORES = ("knn_distance", "mahalanobis_distance", "energy")
NEIGHBOURS = 10
ITSELF = 1e-6  # distance below which the nearest training frame is the frame itself
RIDGE = 1e-9  # of the mean variance; the shrinkage is 0 where the frames are but two points


@dataclass(frozen=True)
class TrainingFrames:
    """What scoring needs of the training frames; `neighbours` is None where they cannot give a distance."""

    mean: np.ndarray  # (d,)
    spread: np.ndarray  # (d, d), Cholesky factor of the covariance
    neighbours: NearestNeighbors | None


def fit_likeness(embeddings: np.ndarray) -> TrainingFrames:
    """Learn what training frames look like from some of their embeddings (n, d); n may be below d.

    Frames whose embedding is not finite are left out. With fewer than two others, or all of them the same,
    a distance says nothing and is NaN for every frame.
    """
    bank = np.asarray(embeddings, dtype=np.float64)
    if bank.ndim != 2 or not bank.shape[1]:
        raise UserError(f"training embeddings of shape {bank.shape} are not one row of numbers per frame; run again.")
    bank = bank[np.isfinite(bank).all(axis=1)]
    if len(bank) < 2 or np.ptp(bank, axis=0).max() == 0:
        return TrainingFrames(np.zeros(bank.shape[1]), np.eye(bank.shape[1]), None)
    k = min(NEIGHBOURS, len(bank) - 1)  # and one more, because a frame may find itself
    # Brute force works in chunks of bounded memory, and in so many dimensions a tree is no faster.
    neighbours = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(normalize(bank))
    covariance, _ = ledoit_wolf(bank)
    covariance += RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    return TrainingFrames(bank.mean(axis=0), cholesky(covariance, lower=True), neighbours)


def score_likeness(training: TrainingFrames, embeddings: np.ndarray, logits: np.ndarray) -> pd.DataFrame:
    """Score frames by their embeddings (n, d) and logits (n, findings); returns the columns SCORES, (n,) each.

    NaN where the embedding, or a logit, is not finite. A training frame is not its own neighbour. Raises UserError
    where the embeddings are not of the same model.
    """
    points = np.asarray(embeddings, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != len(training.mean):
        raise UserError(
            f"embeddings of shape {points.shape} cannot be compared with training embeddings of "
            f"{len(training.mean)} numbers; predict with the model of the run."
        )
    scores = pd.DataFrame(np.nan, index=range(len(points)), columns=list(SCORES))
    finite = np.isfinite(points).all(axis=1)
    if finite.any() and training.neighbours:
        distances, _ = training.neighbours.kneighbors(normalize(points[finite]))
        scores.loc[finite, "knn_distance"] = np.where(distances[:, 0] < ITSELF, distances[:, -1], distances[:, -2])
        whitened = solve_triangular(training.spread, (points[finite] - training.mean).T, lower=True)
        scores.loc[finite, "mahalanobis_distance"] = np.linalg.norm(whitened, axis=0)
    scores["energy"] = energy(logits)
    return scores


def energy(logits: np.ndarray) -> np.ndarray:
    """Minus the sum of log(1 + exp(logit)) over findings, (n,), of logits (n, findings); NaN if one is not finite."""
    logits = np.asarray(logits, dtype=np.float64)
    finite = np.isfinite(logits).all(axis=1)
    return np.where(finite, -np.logaddexp(0, np.where(finite[:, None], logits, 0)).sum(axis=1), np.nan)


def measure_likeness(
    reference: np.ndarray,
    reference_patients: Sequence | pd.Series,
    others: np.ndarray,
    others_patients: Sequence | pd.Series | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """AUROC of one score for telling other frames from reference frames; 0.5 means that it cannot.

    reference (n,) and others (m,) scores. The patients of both are drawn, separately; where the others have
    none (None), each of them is drawn as its own. Null with a reason where there are no frames or NaN scores.
    """
    if not len(reference) or not len(others):
        return nothing("no frames")
    scores = np.concatenate([reference, others]).astype(float)
    if not np.isfinite(scores).all():
        return nothing("NaN scores")
    names = np.arange(len(others)) if others_patients is None else others_patients
    known, other = draw_patients(reference_patients, resamples, seed), draw_patients(names, resamples, seed + 1)
    reason = why_no_interval(known.n_known, known.group) or why_no_interval(other.n_known, other.group)
    weights = np.hstack([known.weights, other.weights])
    group = np.concatenate([known.group, other.group + known.weights.shape[1]])
    is_other = np.arange(len(scores)) >= len(reference)
    auroc, _, _ = ranking_statistics(is_other, scores, group, weights[:1] if reason else weights, [])
    return interval(auroc, reason)
