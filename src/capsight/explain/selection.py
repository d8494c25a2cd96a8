"""Which frames are explained: for each finding those that have it, and those most likely to be false alarms."""

import pandas as pd

FALSE_ALARMS = 4  # for that many frames with a finding, one that the model likes best of those without


def choose_frames(predictions: pd.DataFrame, findings: list[str], frames: int, *, seed: int = 0) -> pd.DataFrame:
    """Choose up to `frames` frames with each finding, drawn patient by patient in turn, and a quarter as many without.

    Those without are the ones with the highest probability, each patient's first before the second of any. The first
    kind is drawn whatever the model says of it, so that what is measured on it holds for all frames with the finding.
    Returns the rows of `predictions`, a frame once for each finding it was chosen for, with the columns `finding` and
    `label` (1 or 0).
    """
    parts = []
    for finding in findings:
        label = predictions[f"label_{finding}"]
        positive = predictions[label.eq(1).fillna(False)].sample(frac=1, random_state=seed)
        negative = predictions[label.eq(0).fillna(False)].sort_values(f"probability_{finding}", ascending=False)
        for rows, n, value in ((positive, frames, 1), (negative, -(-frames // FALSE_ALARMS), 0)):
            turn = rows.groupby("patient", dropna=False, sort=False).cumcount()
            chosen = rows.loc[turn.sort_values(kind="stable").index[:n]]
            parts.append(chosen.assign(finding=finding, label=value))
    return pd.concat(parts).reset_index(names="row")


def some_of_each(chosen: pd.DataFrame, n: int) -> list[int]:
    """Return the positions of `n` chosen frames, as equal shares of each finding, with and without it, as there are."""
    turn = chosen.groupby(["finding", "label"]).cumcount().to_numpy()
    return sorted(turn.argsort(kind="stable")[:n].tolist())
