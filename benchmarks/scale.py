"""What a data set of Galar's size costs: its manifest up to the first batches, and the audit of stored hashes.

python benchmarks/scale.py rows=3500000 frames=1000000 out=FILE
(two cores: taskset -c 0,1; the memory is that of the whole process, what it imports included)
"""

import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from apart import apart, memory
from copies import hashes
from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from capsight.data.audit import audit_hashed
from capsight.data.batches import PatientBalancedBatches, rarest_finding
from capsight.data.dataset import FrameDataset
from capsight.data.hashes import Hashes, read_hashes, write_hashes
from capsight.data.manifest import fingerprint, read_manifest, write_manifest
from capsight.data.target import split_devices
from capsight.data.transforms import evaluation_transform
from capsight.data.vocabulary import coarse, finding_tree
from capsight.files import write_json

SETTINGS = {"rows": 3_500_000, "frames": 1_000_000, "patients": 80, "batches": 20, "limit_s": 600, "out": None}
FINDINGS = ["polyp", "bleeding", "inflammation"]
DEVICES = ("endocapsule", "pillcam_sb2", "pillcam_sb3", "pillcam_colon2")
AIMS = {"manifest": (20, 4096), "audit": (60, None)}  # seconds, MiB


def main(settings: dict) -> None:
    rows, frames, patients = (settings[name] for name in ("rows", "frames", "patients"))
    with tempfile.TemporaryDirectory() as folder:
        file, limit = str(Path(folder, "manifest.parquet")), {"limit_s": settings["limit_s"]}
        apart(make_manifest, file, rows, patients, **limit)
        parts = {
            "manifest": (rows, apart(manifest_steps, file, settings["batches"], **limit)),
            "audit": (frames, apart(audit_steps, str(Path(folder, "hashes.parquet")), frames, patients, **limit)),
        }
    entries = [{"part": part, "size": size, **step} for part, (size, steps) in parts.items() for step in steps]
    whole = {"step": "all of it"}
    totals = [{"part": part, "size": size, **whole, **_total(steps)} for part, (size, steps) in parts.items()]
    show([*entries, *totals])
    if settings["out"]:
        write_json({"rows": [*entries, *totals]}, settings["out"])


def make_manifest(file: str, rows: int, patients: int) -> None:
    """Write a manifest like Galar's: a video per patient, findings in stretches, every label known."""
    rng = np.random.default_rng(0)
    patient = np.sort(rng.integers(1, patients + 1, rows)).astype(str)
    first = np.flatnonzero(np.r_[True, patient[1:] != patient[:-1]])
    frame = np.arange(rows) - np.repeat(first, np.diff(np.r_[first, rows]))
    names = pd.Series(patient).str.zfill(3) + "/frame_" + pd.Series(frame).astype(str).str.zfill(6) + ".PNG"
    table = {"path": names.astype("string"), "patient": patient, "video": patient, "frame": frame}
    table |= {"device": np.take(DEVICES, patient.astype(int) % len(DEVICES)), "patient_from": "video"}
    table |= {"site": np.repeat(["stomach", "small_bowel", "colon"], -(-rows // 3))[:rows]}
    table |= {"split": np.where(patient.astype(int) > 60, "test", "train")}
    for name in finding_tree():
        stretches = (rng.random(-(-rows // 200)) < 0.02).repeat(200)[:rows]
        table[name] = pd.array(stretches.astype(np.int8), dtype="Int8")
    write_manifest(pd.DataFrame(table), file)


def manifest_steps(file: str, batches: int) -> list[dict]:
    """Do what a training does with a manifest, before its first step."""
    steps = Steps()
    table = steps("read and validate", lambda: read_manifest(file))
    table = steps("findings that are asked for", lambda: coarse(table, FINDINGS))
    table = steps("split by patient", lambda: split_devices(table, FINDINGS, seed=0))
    training = table[table["split"] == "train"].reset_index(drop=True)
    data = steps("data set", lambda: FrameDataset(training, "frames", FINDINGS, evaluation_transform(96)))
    classes = rarest_finding(data.targets.numpy())
    sampler = steps(
        "sampler by patient",
        lambda: PatientBalancedBatches(classes, training["patient"], classes_per_batch=4, frames_per_class=16),
    )
    steps(f"the epoch's first {batches} batches", lambda: list(islice(iter(sampler), batches)))
    steps("fingerprint of the run", lambda: fingerprint(table))
    return steps.done


def audit_steps(file: str, frames: int, patients: int) -> list[dict]:
    """Audit frames whose hashes are stored: near-identical copies, and whatever else does not need a pixel."""
    patient = (np.arange(frames) * patients // frames).astype(str)
    table = pd.DataFrame(
        {
            "path": pd.Series(np.arange(frames)).astype("string") + ".png",
            "patient": pd.array(patient, dtype="string"),
            "video": pd.array(patient, dtype="string"),
            "frame": pd.array(np.arange(frames), dtype="Int64"),
            "device": pd.array(np.take(DEVICES, patient.astype(int) % len(DEVICES)), dtype="string"),
            "split": pd.array(np.where(patient.astype(int) * 4 < patients * 3, "train", "test"), dtype="string"),
            "polyp": pd.array(np.arange(frames) % 50 == 0, dtype="Int8"),
        }
    )
    write_hashes(file, table["path"], Hashes(hashes(frames), [f"{row:064x}" for row in range(frames)], []))
    steps = Steps()
    stored = steps("read the hashes", lambda: read_hashes(file, table["path"]))
    steps("audit", lambda: audit_hashed(table, stored))
    return steps.done


class Steps:
    """Does one step after the other, and keeps the seconds and the peak memory of each."""

    def __init__(self):
        self.done: list[dict] = []

    def __call__(self, name: str, work: Callable[[], object]) -> object:
        start = time.perf_counter()
        result = work()
        seconds = time.perf_counter() - start
        self.done.append({"step": name, "seconds": seconds, "peak_mib": memory().get("VmHWM")})
        return result


def _total(steps: list[dict]) -> dict:
    peaks = [step["peak_mib"] for step in steps if step["peak_mib"]]
    return {"seconds": sum(step["seconds"] for step in steps), "peak_mib": max(peaks, default=None)}


def show(rows: list[dict]) -> None:
    table = Table("part", "size", "step", "seconds", "peak memory so far", "aim")
    for row in rows:
        seconds, mib = AIMS[row["part"]] if row["step"] == "all of it" else (None, None)
        aim = (f"{seconds} s" if seconds else "") + (f", {mib:,} MiB" if mib else "")
        peak = "–" if row["peak_mib"] is None else f"{row['peak_mib']:,.0f} MiB"
        table.add_row(row["part"], f"{row['size']:,}", row["step"], f"{row['seconds']:.2f}", peak, aim)
    Console(width=120).print(table)


if __name__ == "__main__":
    main(OmegaConf.to_container(OmegaConf.merge(SETTINGS, OmegaConf.from_cli(sys.argv[1:]))))
