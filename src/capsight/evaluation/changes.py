"""What happens to every number of a finding when the same frames are predicted in another way."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from capsight.errors import UserError
from capsight.evaluation.bootstrap import draw_patients, interval, nothing
from capsight.evaluation.findings import SPECIFICITIES, STATISTICS, measure_finding
from capsight.evaluation.predictions import check_predictions

NUMBERS = (*STATISTICS, *(f"sensitivity_at_specificity_{target}" for target in SPECIFICITIES))


def changes(
    before: pd.DataFrame,
    after: pd.DataFrame,
    findings: Sequence[str],
    *,
    thresholds: Mapping[str, float | None] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, dict]:
    """Measure two predictions of the same frames, in the same order.

    Returns per finding and number of NUMBERS {"before", "after", "change"}: two values, and after minus before with a
    95 % interval; both are measured under the same draws of patients, so the difference is paired. thresholds: as for
    `metrics.measure`. Raises UserError where the frames are not the same.
    """
    for table in (before, after):
        check_predictions(table, findings)
    if before["path"].tolist() != after["path"].tolist():
        raise UserError("a change is between predictions of the same frames, and these are of different ones.")
    patients = draw_patients(before["patient"], resamples, seed)
    results = {}
    for finding in findings:
        threshold = (thresholds or {}).get(finding)
        threshold = 0.5 if threshold is None else float(threshold)
        old, reason = measure_finding(before, patients, finding, threshold)[1:]
        new, _ = measure_finding(after, patients, finding, threshold)[1:]
        old, new = _flat(old), _flat(new)
        results[finding] = {name: _change(old.get(name), new.get(name), reason) for name in NUMBERS}
    return results


def _flat(statistics: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give the sensitivities, (weights, specificities), names of their own."""
    sensitivity = statistics.get("sensitivity_at_specificity")
    if sensitivity is None:
        return {}
    named = {f"sensitivity_at_specificity_{target}": sensitivity[:, i] for i, target in enumerate(SPECIFICITIES)}
    return {name: values for name, values in statistics.items() if name in STATISTICS} | named


def _change(old: np.ndarray | None, new: np.ndarray | None, reason: str | None) -> dict:
    if old is None or new is None:
        return {"before": None, "after": None, "change": nothing(reason)}
    return {"before": float(old[0]), "after": float(new[0]), "change": interval(new - old, reason)}
