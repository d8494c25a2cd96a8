"""What a run was trained and tested on, as tables: by device and patient, and what is known of the findings."""

from collections.abc import Iterator

import pandas as pd

from capsight.report.card.markdown import table

SIDES = {"train": "training", "val": "validation", "adapt": "adaptation", "test": "test"}


def by_device(manifest: pd.DataFrame) -> str:
    """Return a table of frames and patients, a row per device and side of the split."""
    return table(["Device", "Used for", "Frames", "Patients", "Videos"], _by_device(manifest))


def by_finding(manifest: pd.DataFrame, findings: list[str]) -> str:
    """Return a table of what is known, a row per finding and side. Unknown is not absent."""
    headings = ["Finding", "Used for", "Frames with it", "Frames without", "Unknown", "Patients with it"]
    return table(headings, _by_finding(manifest, findings))


def _by_device(manifest: pd.DataFrame) -> Iterator[list[object]]:
    named = manifest.assign(device=manifest["device"].astype("string").fillna("unknown device"))
    for device, frames in named.groupby("device", sort=True):
        for side, name in SIDES.items():
            part = frames[frames["split"] == side]
            if len(part):
                people = (f"{part[column].nunique():,}" for column in ("patient", "video"))
                yield [device, name, f"{len(part):,}", *people]


def _by_finding(manifest: pd.DataFrame, findings: list[str]) -> Iterator[list[object]]:
    for finding in findings:
        for side, name in SIDES.items():
            part = manifest[manifest["split"] == side]
            if not len(part):
                continue
            present, absent = (part[finding].eq(value).fillna(False) for value in (1, 0))
            counts = (present.sum(), absent.sum(), part[finding].isna().sum(), part.loc[present, "patient"].nunique())
            yield [finding, name, *(f"{count:,}" for count in counts)]
