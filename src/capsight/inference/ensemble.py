"""Deep ensembles: the predictions of several runs as those of one model.

Lakshminarayanan, Pritzel, Blundell 2017, Simple and scalable predictive uncertainty estimation using deep ensembles.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import logit

from capsight.data.manifest import fingerprint
from capsight.errors import UserError
from capsight.evaluation.uncertainty import uncertainty
from capsight.inference.predict import prediction_table
from capsight.learning.run import Run


def check_members(runs: Sequence[Run]) -> None:
    """Raise UserError where the runs have other findings, or another split, so that one may know the test frames."""
    first = runs[0]
    for run in runs[1:]:
        if run.findings != first.findings:
            raise UserError(
                f"{run.dir} finds {run.findings} and {first.dir} {first.findings}; an ensemble needs the same."
            )
        if fingerprint(run.manifest) != fingerprint(first.manifest):
            raise UserError(
                f"{run.dir} and {first.dir} have other frames or another split, so that one may have learnt from what "
                "the other is tested on; train the members of an ensemble with the same data settings."
            )
    if len({run.dir.resolve() for run in runs}) < len(runs):
        raise UserError("an ensemble names the same run twice; give different runs.")


def join_members(
    tables: Sequence[pd.DataFrame], embeddings: Sequence[np.ndarray], findings: list[str]
) -> tuple[pd.DataFrame, np.ndarray]:
    """Make one predictions table and one array of embeddings of those of the members; one member stays as it is.

    The probability is the mean of the members', the logit that of the mean, the uncertainties are those between the
    members. The embeddings stand side by side (n, sum of d), so that squared distances are sums.
    """
    if len(tables) == 1:
        return tables[0], embeddings[0]
    if any(not table["path"].equals(tables[0]["path"]) for table in tables):
        raise UserError("the members of the ensemble could not read the same frames; predict them again.")
    probabilities = np.stack([table[[f"probability_{f}" for f in findings]].to_numpy(np.float64) for table in tables])
    mean = probabilities.mean(axis=0)
    first = tables[0].rename(columns={f"label_{finding}": finding for finding in findings})
    # Off 0 and 1, where a logit would be infinite: float32 knows nothing closer to 1 than 6e-8.
    logits = logit(np.clip(mean, 1e-12, 1 - 1e-7)).astype(np.float32)
    columns = {"logit": logits, "probability": mean.astype(np.float32)} | uncertainty(probabilities)
    return prediction_table(first, columns, findings), np.concatenate(embeddings, axis=1)
