"""What is wrong with a data set before anything is learned from it: leaks, contradictions, files that are broken."""

from pathlib import Path

import numpy as np
import pandas as pd

from capsight.data.copies import near_identical_pairs
from capsight.data.hashes import Hashes, hash_frames
from capsight.data.manifest import SPLITS, finding_columns

FEW_PATIENTS = 3  # below this no interval over patients can be given
LEAKS = {
    "patients_across_splits": "patients stand on two sides of the split",
    "videos_across_splits": "videos stand on two sides of the split",
    "identical_across_splits": "frames have a byte-identical copy on an earlier side of the split",
    "near_identical_across_splits": "frames have a near-identical copy on an earlier side of the split",
}


def audit(table: pd.DataFrame, root: str | Path, set_aside: pd.DataFrame | None = None) -> dict:
    """Return what is wrong with a manifest and its frames below `root`, as audit.json holds it.

    `set_aside` lists byte-identical copies that were merged into rows of the table, with the split and findings of the
    publisher: they are audited as frames of their own. Where the table's split is not the publisher's, empty theirs.

    patients, videos: how many have frames on two sides of the split. identical, near_identical: how many frames have a
    copy on an earlier side (train before val before test), so a test frame that was trained on counts as one.
    conflicting_labels: groups of identical frames that were not all filed under the same findings. `ok` is false
    where a patient, a video or a copy stands on two sides.
    Raises UserError where none of the files is there.
    """
    return audit_hashed(table, hash_frames(table["path"], root), set_aside)


def audit_hashed(table: pd.DataFrame, hashes: Hashes, set_aside: pd.DataFrame | None = None) -> dict:
    """Do as `audit` does, with the hashes of the table's frames in its order."""
    filed = _as_filed(table, hashes.contents, set_aside)
    result = {
        **_told_by_the_table(table, filed),
        "n_set_aside": len(filed) - len(table),
        "identical_across_splits": _identical_across(filed),
        "near_identical_across_splits": _near_identical_across(filed, hashes.perceptual, len(table)),
        "conflicting_labels": int((filed.groupby("content")["filed_under"].nunique() > 1).sum()),
        "unreadable": hashes.unreadable,
    }
    return result | {"ok": not any(result[key] for key in LEAKS), "warnings": _warnings(table, filed, result)}


def audit_manifest(table: pd.DataFrame) -> dict:
    """Return what a manifest alone tells: `audit` without copies, unreadable files and the verdict `ok`."""
    filed = _as_filed(table, [""] * len(table), None)
    result = _told_by_the_table(table, filed)
    return result | {"warnings": _warnings(table, filed, result)}


def _told_by_the_table(table: pd.DataFrame, filed: pd.DataFrame) -> dict:
    entanglement = device_entanglement(table)
    return {
        "n_frames": len(table),
        "n_patients": int(table["patient"].nunique()),
        "n_videos": int(table["video"].nunique()),
        "patients_across_splits": _across(filed, "patient"),
        "videos_across_splits": _across(filed, "video"),
        "neighbours_across_splits": _neighbours_across(filed),
        "findings_with_few_patients": _few_patients(table),
        "device_entanglement": max((pair["number"] for pair in entanglement), default=0.0),
        "device_entanglement_pairs": entanglement,
    }


def describe(result: dict) -> list[tuple[str, str]]:
    """Put an audit, or that of a manifest, into sentences, each with its level: error (a leak), warning, or info."""
    lines = [("info", f"{result['n_frames']} frames, {result['n_patients']} patients, {result['n_videos']} videos")]
    if result.get("n_set_aside"):
        lines.append(("info", f"{result['n_set_aside']} byte-identical copies were merged; they are counted here"))
    lines += [("error", f"{result[key]} {text}") for key, text in LEAKS.items() if result.get(key)]
    lines += [("warning", text) for text in result["warnings"]]
    if result.get("conflicting_labels"):
        lines.append(("warning", f"{result['conflicting_labels']} frames were filed under different findings"))
    for finding in result["findings_with_few_patients"]:
        lines.append(("warning", f"{finding}: fewer than {FEW_PATIENTS} positive patients, so no interval"))
    for pair in result["device_entanglement_pairs"]:
        only = f", known only from {pair['device']}" if pair["known_from_one_device"] else ""
        level = "warning" if pair["number"] >= 0.5 else "info"
        text = f"{pair['finding']} goes with the device: {pair['number']:.2f} of 1, most often in {pair['device']}"
        lines.append((level, text + only))
    lines += [("warning", f"cannot be read: {path}") for path in result.get("unreadable", [])]
    if result.get("ok"):
        lines.append(("info", "ok: no patient, video or copy of a frame stands on two sides"))
    return lines


def device_entanglement(table: pd.DataFrame) -> list[dict]:
    """Say for each finding how far it tells the device: a number from 0 (not at all) to 1, the largest first.

    Cramér's V (1946) between the finding and the device over the frames where both are known; 1 where the finding is
    known from one of several devices only, for then nothing tells the two apart. `device` is where the finding is most
    frequent. Findings without a positive frame are left out, as are tables of one device.
    """
    pairs = []
    for finding in finding_columns(table) if table["device"].nunique() > 1 else []:
        known = table[[finding, "device"]].dropna()
        counts = pd.crosstab(known["device"], known[finding] == 1)  # (device, absent/present)
        if True not in counts:
            continue
        pairs.append(
            {
                "finding": finding,
                "device": str((counts[True] / counts.sum(axis=1)).idxmax()),
                "number": 1.0 if len(counts) == 1 else _cramers_v(counts.to_numpy(float)),
                "known_from_one_device": len(counts) == 1,
            }
        )
    return sorted(pairs, key=lambda pair: (-pair["number"], pair["finding"]))


def _cramers_v(counts):
    """Of a contingency table (r, c) without empty rows or columns; 0 where there is only one column."""
    if min(counts.shape) < 2:
        return 0.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    chi_square = ((counts - expected) ** 2 / expected).sum()
    return float(np.sqrt(chi_square / counts.sum() / (min(counts.shape) - 1)).clip(0, 1))


def _as_filed(table, contents, set_aside):
    """One row per frame as the publisher filed it: the table's rows, then the copies that were set aside."""
    split = table["split"] if "split" in table else pd.Series(pd.NA, index=table.index, dtype="string")
    filed = table[["path", "patient", "video", "frame"]].assign(split=split, filed_under=_filed_under(table))
    filed["content"] = pd.Series(contents, index=table.index, dtype="string").replace("", pd.NA)
    if set_aside is not None and len(set_aside):
        filed = _with_copies(filed, set_aside)
    filed["side"] = filed["split"].map({name: rank for rank, name in enumerate(SPLITS)}).astype("Int8")
    return filed.reset_index(drop=True)


def _with_copies(filed, set_aside):
    listed = set_aside.assign(filed_under=_filed_under(set_aside.drop(columns=["kept", "reason"], errors="ignore")))
    # In the table a kept frame has the findings of all its copies; where it is listed as well, we know its own.
    own = listed[listed["path"] == listed["kept"]].set_index("path")["filed_under"]
    filed["filed_under"] = filed["path"].map(own).astype("string").fillna(filed["filed_under"])
    copies = listed.loc[listed["path"] != listed["kept"], ["path", "split", "kept", "filed_under"]]
    kept = filed[["path", "patient", "video", "frame", "content"]].rename(columns={"path": "kept"})
    return pd.concat([filed, copies.merge(kept, on="kept").drop(columns="kept")])


def _filed_under(table):
    """The positive findings of each row, as one text."""
    findings = finding_columns(table)
    positive = table[findings].eq(1).fillna(False).to_numpy(bool)
    kinds, kind = np.unique(np.packbits(positive, axis=1), axis=0, return_inverse=True)  # few, of millions of rows
    rows = np.unpackbits(kinds, axis=1, count=len(findings))
    texts = [" ".join(name for name, one in zip(findings, row, strict=True) if one) for row in rows]
    return np.array(texts, dtype=object)[kind]


def _across(filed, name):
    return int((filed.groupby(name)["side"].nunique() > 1).sum())


def _identical_across(filed):
    earliest = filed.groupby("content")["side"].transform("min")
    return int((filed["side"] > earliest).fillna(False).sum())


def _near_identical_across(filed, hashes, n):
    first, second = near_identical_pairs(hashes).T
    side = filed["side"][:n].fillna(-1).to_numpy(int)
    content = filed["content"][:n].fillna("").to_numpy(str)
    split = (side[first] >= 0) & (side[second] >= 0) & (side[first] != side[second])
    leak = split & (content[first] != content[second])
    first, second = first[leak], second[leak]
    return len(np.unique(np.where(side[first] > side[second], first, second)))


def _neighbours_across(filed):
    """How many frames have the frame before or after them, in the same video, on an earlier side."""
    rows = filed.dropna(subset=["video", "frame", "side"])[["video", "frame", "side"]]
    beside = pd.concat([rows.assign(frame=rows["frame"] + step) for step in (-1, 1)])
    earliest = beside.groupby(["video", "frame"])["side"].min().rename("earliest").reset_index()
    merged = rows.merge(earliest, on=["video", "frame"])
    return int((merged["earliest"] < merged["side"]).sum())


def _few_patients(table):
    findings = finding_columns(table)
    return [name for name in findings if table.loc[table[name] == 1, "patient"].nunique() < FEW_PATIENTS]


def _warnings(table, filed, result):
    """The things that make the numbers of the audit, or of any result on this data, less than they seem."""
    found = []
    if filed["side"].isna().all():
        found.append("there is no split in the manifest, so nothing can be across splits")
    unknown = int(table["patient"].isna().sum())
    if unknown:
        found.append(f"the patient of {unknown} frames is unknown: they can be tested on, without an interval")
    if "patient_from" in table:
        guessed = int((table["patient_from"] == "neighbouring frames").fillna(False).sum())
        if guessed:
            found.append(f"the patient of {guessed} frames is a guess from neighbouring file numbers")
    frames = filed.dropna(subset=["patient", "side"]).groupby("patient")["side"].agg(["size", "nunique"])
    several = frames[frames["size"] > 1]
    if len(several) and (several["nunique"] > 1).mean() > 0.5:
        found.append("the split looks like one by frame: most patients stand on two sides, so results are too good")
    if result["neighbours_across_splits"]:
        n = result["neighbours_across_splits"]
        found.append(f"{n} frames have their direct neighbour in the video on an earlier side of the split")
    return found
