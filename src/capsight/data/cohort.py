"""A made-up cohort: patients' records as counts of codes, and diseases that hang on what nobody wrote down.

The structure is made so that Deep Patient's claim (Miotto et al. 2016) is plausible, and it is no evidence that the
claim holds elsewhere: a few latent conditions stand behind everything; each code is frequent in one region of them
only, so that no weighted sum of codes gives a condition back; codes that have nothing to do with any disease come in
bundles, which carry much of the variance; how often somebody comes at all varies widely; and single codes are rare.
"""

from typing import NamedTuple

import numpy as np

from capsight.errors import UserError

CONDITIONS = 3  # latent numbers per patient
REGION = 0.5  # width of the region of a code, of a standard deviation of the conditions
RATES = {"elsewhere": 0.02, "in its region": 2.0, "bundle": 0.6}  # of a code, for somebody who comes once
BUNDLES, HAS_BUNDLE = 12, 0.3
VISITS = 0.7  # spread of the log number of visits
PREVALENCE, SHARP = 0.15, 6.0  # of a disease, and how fast its risk rises at the border of its region


class Cohort(NamedTuple):
    """Counts of codes (patients, codes) int, diseases (patients, diseases) bool, conditions (patients, CONDITIONS)."""

    counts: np.ndarray
    diseases: np.ndarray
    conditions: np.ndarray


def make_cohort(*, patients: int = 15_000, codes: int = 400, diseases: int = 6, seed: int = 0) -> Cohort:
    """Draw a cohort; of the codes five eighths hang on the conditions, a quarter are in bundles, the rest are noise.

    A disease is likely where the conditions are near a point of its own. Raises UserError for fewer than 10 patients,
    8 codes or 1 disease.
    """
    if patients < 10 or codes < 8 or diseases < 1:
        raise UserError(
            f"a cohort of {patients} patients, {codes} codes and {diseases} diseases cannot be drawn; take at least "
            "10, 8 and 1."
        )
    rng = np.random.default_rng(seed)
    conditions = rng.standard_normal((patients, CONDITIONS))
    visits = rng.lognormal(0, VISITS, (patients, 1))
    bundled, noisy = codes // 4, codes // 8
    rates = [
        visits * _in_regions(rng, conditions, codes - bundled - noisy),
        RATES["elsewhere"] + RATES["bundle"] * _bundles(rng, patients, bundled),
        visits * rng.uniform(0, 0.2, noisy),
    ]
    counts = rng.poisson(np.concatenate(rates, axis=1))
    return Cohort(counts, _diseases(rng, conditions, diseases), conditions)


def _in_regions(rng: np.random.Generator, conditions: np.ndarray, codes: int) -> np.ndarray:
    """Rates (patients, codes) of codes that each belong to a region of the conditions."""
    middles = rng.standard_normal((codes, CONDITIONS))
    squared = np.square(conditions[:, None] - middles).sum(-1)
    return RATES["elsewhere"] + RATES["in its region"] * np.exp(-squared / (2 * REGION**2))


def _bundles(rng: np.random.Generator, patients: int, codes: int) -> np.ndarray:
    """1 where the patient has the bundle of the code, (patients, codes)."""
    return (rng.random((patients, BUNDLES)) < HAS_BUNDLE)[:, np.arange(codes) % BUNDLES]


def _diseases(rng: np.random.Generator, conditions: np.ndarray, number: int) -> np.ndarray:
    """Who has what, (patients, number)."""
    points = 0.7 * rng.standard_normal((number, CONDITIONS))
    nearness = -np.square(conditions[:, None] - points).sum(-1)
    nearness = (nearness - nearness.mean(0)) / nearness.std(0)
    border = np.quantile(nearness, 1 - PREVALENCE, axis=0)
    return rng.random(nearness.shape) < 1 / (1 + np.exp(-SHARP * (nearness - border)))
