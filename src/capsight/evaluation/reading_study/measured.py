"""The cases of a study with what every way of showing their frames finds, and the curves that follow from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capsight.evaluation.bootstrap import Patients, why_no_interval
from capsight.evaluation.reading_study.cases import Case, Outcome, alarms
from capsight.evaluation.reading_study.curves import Curve, pooled
from capsight.evaluation.shift.drawn import Drawn


@dataclass(frozen=True)
class Measured:
    """All ways are measured under the same draws of patients, so that their ratios are paired."""

    cases: Sequence[Case]
    findings: Sequence[str]
    outcomes: Sequence[dict[str, Outcome]]  # of each case
    drawn: Patients  # of the cases

    def lesions(self, way: str, finding: str | None = None) -> Curve:
        """The share of all lesions, or of those of a finding, that are found."""
        of = [case.of_finding(finding) for case in self.cases]
        hits = [result[way].found.mean(0)[mine].sum(0) for result, mine in zip(self.outcomes, of, strict=True)]
        return self._pooled(hits, [mine.sum() for mine in of])

    def patients(self, way: str) -> Curve:
        """The share of the patients with a lesion of whom one or more are found, in any of their videos."""
        missed: dict[int, np.ndarray] = {}
        for case, group, result in zip(self.cases, self.drawn.group, self.outcomes, strict=True):
            if len(case.lesions):
                missed[group] = missed.get(group, True) & ~result[way].found.any(axis=1)
        hits = [1 - missed[group].mean(0) for group in missed] or np.zeros((0, 1))
        return self._pooled(hits, np.ones(len(missed)), np.array(list(missed), dtype=int))

    def false(self, way: str) -> Curve:
        """How many frames are shown per video that show no lesion."""
        return self._pooled([result[way].false for result in self.outcomes], np.ones(len(self.cases)))

    def alarms(self, way: str) -> dict[str, Drawn]:
        """What the software asks to look at: how much per video, how much of it in vain, what is found by it."""
        marked = [alarms(case, self.findings)[way] for case in self.cases]
        found = [case.shown(at).sum() for case, at in zip(self.cases, marked, strict=True)]
        videos, lesions = np.ones(len(self.cases)), [len(case.lesions) for case in self.cases]
        vain = [case.clear[at].sum() for case, at in zip(self.cases, marked, strict=True)]
        counts = {
            "per_video": ([len(at) for at in marked], videos),
            "false_per_video": (vain, videos),
            "lesion_sensitivity": (found, lesions),
        }
        return {name: self._pooled(np.array(hits)[:, None], of).point(0) for name, (hits, of) in counts.items()}

    def _pooled(self, hits, totals, group: np.ndarray | None = None) -> Curve:
        group, totals = self.drawn.group if group is None else group, np.array(totals, dtype=float)
        reason = why_no_interval(self.drawn.n_known, group[totals > 0])
        return pooled(self.drawn.weights, group, np.array(hits, dtype=float), totals, reason)
