"""The control: how well can the device be told from simple features of a part of the frame, without any model?"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from capsight.evaluation.bootstrap import patient_groups
from capsight.evaluation.shift.telling import tell_apart


def measure_control(
    frames: pd.DataFrame, views: Mapping[str, np.ndarray], *, resamples: int = 1000, seed: int = 0
) -> dict:
    """Return {"chance", "n_frames", "n_patients", "devices", "views": {VIEW: {"balanced_accuracy": I}}}.

    frames: patient and device of each frame (n,); views: features (n, d) of the part of the frame that they are named
    after, as `data.device_views` makes them.
    """
    devices = sorted(frames["device"].unique())
    told = {
        view: {
            "balanced_accuracy": tell_apart(
                features, frames["device"], frames["patient"], resamples=resamples, seed=seed
            ).interval()
        }
        for view, features in views.items()
    }
    n_patients = patient_groups(frames["patient"])[1]
    counts = {"n_frames": len(frames), "n_patients": n_patients, "devices": devices}
    return {"chance": 1 / len(devices), **counts, "views": told}
