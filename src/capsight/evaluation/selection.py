"""By what a model is chosen before its target is tested: protocols with names; the default sees no label of the target.

Every protocol is a score, higher for what would be chosen, from the predictions of frames that are not tested on: those
of the source's validation patients, and those of the target's patients that may adapt. The names follow Gulrajani and
Lopez-Paz 2021, In search of lost domain generalization, 3: a result without its protocol cannot be compared.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import entr, expit

from capsight.errors import UserError
from capsight.evaluation.predictions import scored_frames, why_no_value
from capsight.evaluation.statistics import ranking_statistics
from capsight.evaluation.uncertainty import binary_entropy

PROTOCOLS = ("source_validation", "target_unlabelled", "target_labelled_oracle")
UNLABELLED = ("information_maximisation", "soft_neighbourhood_density")
TEMPERATURE = 0.05  # of the neighbourhood, as Saito et al. have it
CHUNK = 512  # frames whose neighbourhoods are held at a time


def score(
    protocol: str,
    *,
    findings: Sequence[str],
    validation: pd.DataFrame,
    adapt: pd.DataFrame,
    hidden: pd.DataFrame | None = None,
    unlabelled: str = UNLABELLED[0],
) -> float | None:
    """Return the score of a model under a protocol, higher for better; None where these frames cannot give it.

    source_validation: mean AUROC on the source's validation frames. target_unlabelled: `unlabelled`, one of UNLABELLED,
    on the target's frames that may adapt, whatever their labels. target_labelled_oracle: mean AUROC on those of them
    whose labels the training did not see, which are in `hidden`, a table of path and findings; nobody has them. NaN
    logits give no score. validation, adapt: predictions tables. Raises UserError for an unknown name, or an oracle
    without labels.
    """
    if protocol not in PROTOCOLS:
        raise UserError(f"selection {protocol!r} is not known; choose {', '.join(PROTOCOLS)}.")
    if unlabelled not in UNLABELLED:
        raise UserError(f"{unlabelled!r} is no score without labels; choose {', '.join(UNLABELLED)}.")
    if protocol == "source_validation":
        return mean_auroc(validation, findings)
    if protocol == "target_unlabelled":
        probabilities = _probabilities(adapt, findings)
        if not len(adapt) or not np.isfinite(probabilities).all():  # NaN: the training diverged
            return None
        measure = information_maximisation if unlabelled == UNLABELLED[0] else soft_neighbourhood_density
        return measure(probabilities)
    if hidden is None:
        raise UserError(
            "target_labelled_oracle needs the labels that were hidden; give them, or choose another selection."
        )
    return mean_auroc(_only_hidden(adapt, findings, hidden), findings)


def mean_auroc(table: pd.DataFrame, findings: Sequence[str]) -> float | None:
    """Return the mean AUROC over the findings that have both classes in a predictions table; None where none has."""
    aurocs = []
    for finding in findings:
        frames = scored_frames(table, finding)
        if not why_no_value(frames):
            alike = np.zeros(len(frames.rows), dtype=int)
            auroc, _, _ = ranking_statistics(frames.labels, frames.scores, alike, np.ones((1, 1)), [])
            aurocs.append(auroc[0])
    return float(np.mean(aurocs)) if aurocs else None


def information_maximisation(probabilities: np.ndarray) -> float:
    """Mutual information of frame and prediction in nats: the entropy of the mean minus the mean entropy.

    probabilities (n, findings), each a yes or no of its own; the mean over the findings. High where every frame gets a
    sure answer and the answers differ (Bridle et al. 1991, Unsupervised classifiers, mutual information and phantom
    targets; for selection, Musgrave et al. 2022, Three new validators and a large-scale benchmark ranking).
    """
    return float(np.mean(binary_entropy(probabilities.mean(axis=0)) - binary_entropy(probabilities).mean(axis=0)))


def soft_neighbourhood_density(probabilities: np.ndarray, temperature: float = TEMPERATURE) -> float | None:
    """Mean entropy in nats of the similarities of each frame to all others; None for fewer than two frames.

    Saito et al. 2021, Tune it the right way: unsupervised validation of domain adaptation via soft neighborhood
    density, eqs. 1 to 3: the softmax over the others of the cosine between predictions, by a temperature. Here a
    prediction is yes and no of every finding, probabilities (n, findings). High where frames lie in dense groups; it
    cannot tell these from a collapse to one answer, which has the highest value of all.
    """
    if len(probabilities) < 2:
        return None
    points = np.concatenate([probabilities, 1 - probabilities], axis=1)
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    total = 0.0
    for start in range(0, len(points), CHUNK):
        similar = points[start : start + CHUNK] @ points.T / temperature
        own = np.arange(len(similar))
        similar[own, start + own] = -np.inf
        similar = np.exp(similar - similar.max(axis=1, keepdims=True))
        total += entr(similar / similar.sum(axis=1, keepdims=True)).sum()
    return float(total / len(points))


def _probabilities(table: pd.DataFrame, findings: Sequence[str]) -> np.ndarray:
    """The plain sigmoid of the logits (n, findings): a calibration on the source must not decide here."""
    return expit(table[[f"logit_{finding}" for finding in findings]].to_numpy(dtype=float))


def _only_hidden(adapt: pd.DataFrame, findings: Sequence[str], hidden: pd.DataFrame) -> pd.DataFrame:
    """Return the frames of which the training saw no label, with their labels."""
    shown = adapt[[f"label_{finding}" for finding in findings]].notna().any(axis=1)
    table = adapt[~shown].reset_index(drop=True)
    truth = hidden.set_index("path").reindex(table["path"])
    return table.assign(**{f"label_{finding}": truth[finding].array for finding in findings})
