"""How unsure several probabilities of the same frame are: those of dropout passes, or of the members of an ensemble."""

import numpy as np
from scipy.special import entr

COLUMNS = (
    "mean_probability",
    "standard_deviation",
    "predictive_entropy",
    "expected_entropy",
    "mutual_information",
)


def uncertainty(probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """Summarise probabilities (T, ...) over the first axis; entropies in nats of yes or no.

    The predictive entropy is that of the mean, and splits into the expected entropy (of the data: every member is
    unsure) and the mutual information (of the model: the members disagree). Depeweg et al. 2018, Decomposition of
    uncertainty in Bayesian deep learning, eqs. 2 and 3.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    mean = probabilities.mean(axis=0)
    predictive, expected = binary_entropy(mean), binary_entropy(probabilities).mean(axis=0)
    values = (mean, probabilities.std(axis=0), predictive, expected, np.maximum(predictive - expected, 0))
    return {name: value.astype(np.float32) for name, value in zip(COLUMNS, values, strict=True)}


def binary_entropy(probability: np.ndarray) -> np.ndarray:
    """Return the entropy in nats of yes or no."""
    return entr(probability) + entr(1 - probability)
