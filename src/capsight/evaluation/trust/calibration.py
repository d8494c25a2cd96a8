"""Probabilities that mean what they say: a finding's logits recalibrated on validation patients.

Every frame counts once in a fit, as it does in the errors of calibration_error.py: a physician who reads "0.3"
asks for the share of such frames. That the frames of a patient resemble each other makes a fit noisier, not wrong
on average; counting every patient the same would calibrate for other frames than those that are shown.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from capsight.errors import UserError
from capsight.evaluation.predictions import scored_frames, why_no_value

METHODS = ("temperature", "platt", "isotonic")
MIN_FRAMES = 10  # with the finding, and without it
TEMPERATURES = (0.01, 100.0)


def fit_calibration(validation: pd.DataFrame, finding: str) -> dict:
    """Fit every method to one finding's logits on the validation frames where it is known.

    Returns {"temperature": {"temperature"}, "platt": {"slope", "intercept"}, "isotonic": {"logit": [...],
    "probability": [...]}} of plain numbers; {"reason"} in place of a method that does not fit these frames, or of
    all where none can.
    """
    if f"logit_{finding}" not in validation:
        return {"reason": "no logits"}
    frames = scored_frames(validation, finding)
    impossible = why_no_value(frames)
    if impossible:
        return {"reason": impossible}
    labels, logits = frames.labels, frames.scores
    if min(labels.sum(), (~labels).sum()) < MIN_FRAMES:
        return {"reason": "too few frames"}
    if np.ptp(logits) == 0:
        return {"reason": "constant logits"}
    targets = _smoothed(labels)
    return {
        "temperature": _temperature(logits, labels),
        "platt": _platt(logits, targets),
        "isotonic": _isotonic(logits, targets),
    }


def fitted_methods(fitted: Mapping) -> list[str]:
    """Return the methods that could be fitted to a finding."""
    return [method for method in METHODS if "reason" not in fitted.get(method, {"reason": ""})]


def calibrated(fitted: Mapping, method: str, logits: Sequence | np.ndarray) -> np.ndarray:
    """Turn logits (n,) of one finding into probabilities (n,); the method "none" is the plain sigmoid.

    `fitted` is what `fit_calibration` returned. NaN stays NaN. Raises UserError where there is no such method, or
    where it could not be fitted.
    """
    logits = np.asarray(logits, dtype=float)
    if method == "none":
        return expit(logits)
    if method not in METHODS:
        raise UserError(f"calibration {method!r} is unknown; choose none, {', '.join(METHODS)}.")
    if method not in fitted_methods(fitted):
        reason = fitted.get(method, fitted).get("reason", "the run does not hold it")
        raise UserError(f"calibration {method!r} could not be fitted: {reason}; choose another, or none.")
    parameters = fitted[method]
    if method == "temperature":
        return expit(logits / parameters["temperature"])
    if method == "platt":
        return expit(parameters["slope"] * logits + parameters["intercept"])
    return np.interp(logits, parameters["logit"], parameters["probability"])


def apply_calibration(
    table: pd.DataFrame, calibration: Mapping[str, Mapping], method: str, findings: Sequence[str]
) -> pd.DataFrame:
    """Return a copy of a predictions table with calibrated probabilities; the logits stay as they are.

    `calibration` holds what `fit_calibration` returned per finding. Raises UserError, naming the finding, where
    `method` is unknown or could not be fitted: a table that is calibrated in part would mislead.
    """
    result = table.copy()
    for finding in findings:
        if f"logit_{finding}" not in table:
            raise UserError(f"{finding}: the predictions table has no logits to calibrate; predict again.")
        logits = table[f"logit_{finding}"].to_numpy(dtype=float, na_value=np.nan)
        try:
            result[f"probability_{finding}"] = calibrated(calibration.get(finding, {}), method, logits)
        except UserError as error:
            raise UserError(f"{finding}: {error}") from None
    return result


def _smoothed(labels: np.ndarray) -> np.ndarray:
    """Pull labels off 0 and 1 as Platt (1999, "Probabilistic outputs for support vector machines", 2.2) does.

    With N frames of a class the next one is of it with probability (N + 1) / (N + 2) under a uniform prior. So no
    number of frames makes a frame certain, a separable fit stays finite, and the mean hardly moves.
    """
    positive, negative = labels.sum(), (~labels).sum()
    return np.where(labels, (positive + 1) / (positive + 2), 1 / (negative + 2))


def _temperature(logits: np.ndarray, labels: np.ndarray) -> dict:
    """Divide logits by what minimises the NLL (Guo et al. 2017, "On calibration of modern neural networks", 4.2).

    The NLL is convex in 1 / T, so there is one minimum. It is at the edge where the sign of the logit is always
    right, or is no better than a coin.
    """

    def nll(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0, scaled) - labels * scaled))

    low, high = np.log(TEMPERATURES)
    best = minimize_scalar(nll, bounds=(low, high), method="bounded", options={"xatol": 1e-8}).x
    if min(best - low, high - best) < 1e-3:
        return {"reason": f"no temperature from {TEMPERATURES[0]:g} to {TEMPERATURES[1]:g} fits the validation frames"}
    return {"temperature": float(np.exp(best))}


def _platt(logits: np.ndarray, targets: np.ndarray) -> dict:
    """Fit the sigmoid of slope * logit + intercept to the smoothed labels (Platt 1999)."""
    centre, spread = logits.mean(), logits.std()
    standard = (logits - centre) / spread  # BFGS wants both parameters on one scale

    def nll(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = parameters[0] * standard + parameters[1]
        residual = expit(scaled) - targets
        loss = np.mean(np.logaddexp(0, scaled) - targets * scaled)
        return loss, np.array([np.mean(residual * standard), np.mean(residual)])

    slope, intercept = minimize(nll, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    if slope <= 0:
        return {"reason": "higher logits are not more often positive on the validation frames"}
    return {"slope": float(slope / spread), "intercept": float(intercept - slope * centre / spread)}


def _isotonic(logits: np.ndarray, targets: np.ndarray) -> dict:
    """Fit a rising step function with straight lines between its steps (Zadrozny and Elkan 2002).

    Isotonic regression commutes with the smoothing of the labels, so this is the plain fit squeezed into the open
    interval from 1 / (negatives + 2) to (positives + 1) / (positives + 2), where the NLL is finite.
    """
    fit = IsotonicRegression(out_of_bounds="clip").fit(logits, targets)
    return {"logit": fit.X_thresholds_.tolist(), "probability": fit.y_thresholds_.tolist()}
