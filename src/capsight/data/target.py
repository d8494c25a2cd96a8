"""From source capsules to a target capsule: whose frames train, whose may adapt, and who is only tested on."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from capsight.data.batches import rarest_finding
from capsight.data.deal import deal_groups, spread_over_patients
from capsight.data.manifest import finding_columns
from capsight.data.splits import patient_groups, split_frames
from capsight.errors import UserError


def split_devices(
    table: pd.DataFrame,
    findings: Sequence[str],
    *,
    source: Sequence[str] | None = None,
    target: str | None = None,
    labelled: int = 0,
    labelled_findings: Sequence[str] | None = None,
    draw: int = 0,
    seed: int = 0,
    **split,
) -> pd.DataFrame:
    """Return the frames that a run uses, with their `split`: train, val and test, and adapt where there is a target.

    source: the devices that train; without it all but the target, and all where there is no target. The source's
    patients are split as `split_frames` does with the further arguments, whatever the target is; with a target, the
    source's test patients are left out. The target's patients are dealt once by `seed` into two halves, balanced by
    finding: those of `adapt` may give frames to training, those of `test` are only tested on. A patient or video with
    frames of both kinds counts as the target's. A frame of the target without patient and video is tested.

    The labels of `adapt` are hidden (<NA>), except those of `labelled` frames for each finding (frames whose rarest
    finding it is) and as many without any, which are drawn over the patients by `draw`. Where the target's patients
    cannot give labels of every finding, `labelled_findings` names those that are drawn.

    Raises UserError for devices without frames, a target of one patient, and more labelled frames than there are.
    """
    if source is None and target is None:
        return _used(table, split_frames(table, findings, seed=seed, **split))
    _check_devices(table, source, target, split)
    if target is None:
        sources = table[table["device"].isin(list(source))]
        return _used(sources, split_frames(sources, findings, seed=seed, **split))

    group = patient_groups(table)
    of_target = np.isin(group, group[(table["device"] == target).fillna(False).to_numpy()])
    wanted = table["device"].notna() if source is None else table["device"].isin(list(source))
    of_source = wanted.to_numpy(dtype=bool) & ~of_target
    if not of_source.any():
        raise UserError(
            f"no patient of the source devices is without frames of the target {target}; check the devices."
        )
    sources, targets = table[of_source], table[of_target & (table["device"] == target).fillna(False).to_numpy()]
    side = split_frames(sources, findings, seed=seed, **split).replace("test", None)
    halves = _halves(targets, findings, target, seed)
    used = pd.concat([_used(sources, side), _used(targets, halves)]).reset_index(drop=True)
    drawn = findings if labelled_findings is None else labelled_findings
    return _hide(used, findings, drawn, target, labelled, draw)


def _used(table: pd.DataFrame, split: pd.Series) -> pd.DataFrame:
    return table.assign(split=split)[split.notna()].reset_index(drop=True)


def _check_devices(table, source, target, split):
    has = sorted(table["device"].dropna().unique())
    for device in [*(source or ()), *([target] if target else ())]:
        if device not in has:
            raise UserError(f"no frame comes from the device {device!r}; the manifest has {', '.join(has)}.")
    if target in (source or ()):
        raise UserError(f"{target} is both source and target; a model that was trained on it needs no adaptation.")
    if target and (split.get("unseen_devices") or split.get("by", "patient") != "patient"):
        raise UserError("data.split.target needs data.split.by=patient and no unseen_devices; set unseen_devices=[].")


def _halves(targets: pd.DataFrame, findings, target: str, seed: int) -> pd.Series:
    group = patient_groups(targets)
    known = targets[["patient", "video"]].notna().any(axis=1).to_numpy()
    if len(np.unique(group[known])) < 2:
        has = "has one patient only, who" if known.any() else "names no patient and no video, and a patient"
        raise UserError(
            f"the target {target} {has} cannot both adapt and be tested on; test on it without "
            "adaptation (data.split.unseen_devices), or choose another target."
        )
    half = np.zeros(len(targets), dtype=int)  # without a name, frames of one patient could stand in both halves
    # Among equals the test comes first: a finding of one patient can then at least be measured.
    half[known] = deal_groups(targets[known], group[known], findings, seed=seed, preference=[0, 1])
    return pd.Series(np.where(half == 0, "test", "adapt"), index=targets.index, dtype="string")


def _hide(used: pd.DataFrame, findings, drawn, target: str, labelled: int, draw: int) -> pd.DataFrame:
    adapt = used[used["split"] == "adapt"]
    classes = rarest_finding(adapt[list(findings)].to_numpy(dtype=float, na_value=np.nan))
    shown = []
    for number, name in enumerate(["none of the findings", *findings] if labelled else ()):
        if number and name not in drawn:
            continue
        rows = adapt[classes == number]
        if len(rows) < labelled:
            raise UserError(
                f"{labelled} labelled frames of {target} with {name} were asked for, and its patients that may adapt "
                f"have {len(rows)}; lower data.split.labelled, or name the findings that they have in "
                "data.split.labelled_findings."
            )
        shown += spread_over_patients(rows, labelled, seed=draw).index.tolist()
    hidden = (used["split"] == "adapt") & ~used.index.isin(shown)
    return used.assign(**{name: used[name].mask(hidden) for name in finding_columns(used)})
