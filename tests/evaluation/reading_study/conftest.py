"""Made readings of short videos, with lesions that are known."""

import numpy as np
import pandas as pd
import pytest

from capsight.evaluation.reading_study import make_case

FINDINGS = ["polyp", "bleeding"]
THRESHOLDS = {"polyp": 0.5, "bleeding": 0.6}


@pytest.fixture
def findings():
    return FINDINGS


@pytest.fixture
def make():
    """Return a case whose probabilities are random, but higher where a lesion is; two events per lesion's finding."""

    def case(number: int, spans: list[tuple[str, int, int]], *, n: int = 60, unreadable: tuple = (), patient=None):
        rng = np.random.default_rng([number, 1])
        video, patient = f"v{number}.mp4", patient or f"p{number}"
        frames = pd.DataFrame({f"probability_{finding}": rng.random(n) * 0.8 for finding in FINDINGS})
        for finding, first, last in spans:
            if finding in FINDINGS:
                frames.loc[first:last, f"probability_{finding}"] += 0.15
        frames["readable"] = ~frames.index.isin(unreadable)
        frames.loc[~frames["readable"], [f"probability_{finding}" for finding in FINDINGS]] = np.nan
        lesions = pd.DataFrame(
            [(video, patient, f, i + 1, first, last) for i, (f, first, last) in enumerate(spans)],
            columns=["video", "patient", "finding", "lesion", "first", "last"],
        )
        readable = np.flatnonzero(frames["readable"])
        best = rng.choice(readable, 5, replace=False)
        events = pd.DataFrame({"event": np.arange(1, 6), "best": best, "finding": [*FINDINGS, "content", *FINDINGS]})
        return make_case(video, patient, frames, events, THRESHOLDS, lesions, FINDINGS)

    return case
