"""How good captions are: exact ones, right words, and which findings are mentioned. Intervals are over patients."""

from collections.abc import Sequence

import numpy as np

from capsight.evaluation.bootstrap import Patients, draw_patients, interval, nothing, why_no_interval

MENTIONS = {"polyp": "polyp", "bleeding": "blood", "inflammation": "inflammation", "content": "content"}
RESAMPLES = 2000


def measure_captions(true: Sequence[str], written: Sequence[str], patient: Sequence[str], *, seed: int) -> dict:
    """Return exact match, word accuracy, exact match of frames with a finding, and per finding how well it is named.

    Word accuracy is 1 minus the word error rate: insertions, deletions and replacements over all true words; a comma is
    no word.
    """
    patients = draw_patients(patient, RESAMPLES, seed)
    exact = np.array([a == b for a, b in zip(true, written, strict=True)], float)
    words = [(a.replace(",", "").split(), b.replace(",", "").split()) for a, b in zip(true, written, strict=True)]
    errors = np.array([word_errors(*pair) for pair in words], float)
    length = np.array([len(text.split()) for text in true], float)
    found = np.array([any(word in text for word in MENTIONS.values()) for text in true], float)
    everywhere = np.ones(len(exact))
    return {
        "exact": _share(exact, everywhere, patients),
        "exact_with_finding": _share(exact * found, found, patients),
        "word_accuracy": _share(length - errors, length, patients),
        "findings": {name: _mentions(word, true, written, patients) for name, word in MENTIONS.items()},
    }


def word_errors(true: Sequence[str], written: Sequence[str]) -> int:
    """Fewest words to insert, delete or replace until `written` is `true` (Levenshtein 1966)."""
    row = list(range(len(written) + 1))
    for i, word in enumerate(true, 1):
        before, row = row, [i]
        for j, other in enumerate(written, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1]


def _mentions(word: str, true: Sequence[str], written: Sequence[str], patients: Patients) -> dict[str, dict]:
    """Precision and recall of naming a finding, and how often all that is said of it is right where it is there."""
    there, named = (np.array([word in text for text in texts], float) for texts in (true, written))
    same = [_part(word, a) == _part(word, b) for a, b in zip(true, written, strict=True)]
    return {
        "precision": _share(there * named, named, patients),
        "recall": _share(there * named, there, patients),
        "all_right": _share(there * np.array(same, float), there, patients),
    }


def _part(word: str, text: str) -> str | None:
    """The part of a caption that speaks of `word`."""
    return next((part for part in text.split(", ") if word in part), None)


def _share(parts: np.ndarray, wholes: np.ndarray, patients: Patients) -> dict:
    """Sum of `parts` over sum of `wholes`, both (frames,)."""
    if not wholes.any():
        return nothing("no such frame")
    groups = patients.weights.shape[1]
    part, whole = (np.bincount(patients.group, values, minlength=groups) for values in (parts, wholes))
    with np.errstate(invalid="ignore"):
        values = (patients.weights @ part) / (patients.weights @ whole)
    return interval(values, why_no_interval(patients.n_known, patients.group[wholes > 0]))
