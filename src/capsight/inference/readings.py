"""Readings of many videos, each by scripts/read.py in a process of its own; what is done is not done again."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from capsight.data.manifest import resolve
from capsight.errors import UserError
from capsight.files import write_json
from capsight.learning.run import Run
from capsight.progress import track

READ = Path(__file__).parents[3] / "scripts" / "read.py"
TAUGHT = ("train", "val", "adapt")  # whose frames decided weights, epoch, thresholds or calibration


def check_strangers(run: Run, videos: pd.DataFrame) -> None:
    """Raise UserError where a run has learned from a patient, or a video, that it is to be tried on."""
    taught = run.manifest[run.manifest["split"].isin(TAUGHT)]
    known = set(taught["patient"].dropna()) | set(taught["video"].dropna())
    both = [name for name in videos["patient"] if name in known]
    if both:
        raise UserError(
            f"{run.dir} has learned from the patient {both[0]} ({len(set(both))} of {videos['patient'].nunique()} are "
            "known to it); a study needs patients that are new to the run."
        )


def read_videos(run: Run, folder: Path, names: Sequence[str], out: Path, settings: Sequence[str]) -> list[Path]:
    """Read each video, a name relative to `folder`, into a folder below `out`; return these folders.

    settings: further ones of scripts/read.py, such as passes=0. Raises UserError where `out` holds readings by another
    run or with other settings, and, with its last line, where a reading ends with an error.
    """
    how = {"run": run.fingerprint(), "settings": list(settings)}
    note = out / "how.json"
    if note.exists() and json.loads(note.read_text()) != how:
        raise UserError(f"{out} holds readings by another run or with other settings; choose another out.")
    write_json(how, note)
    pairs = [(resolve(folder, name), out / name) for name in names]
    missing = [pair for pair in pairs if not (pair[1] / "reading.json").is_file()]
    for video, reading in track(missing, f"Reading {len(missing)} videos") if missing else ():
        _read(run, video, reading, settings)
    return [reading for _, reading in pairs]


def _read(run: Run, video: Path, folder: Path, settings: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    named = {"run": run.dir, "video": video, "out": folder}
    line = [sys.executable, str(READ), *(f"{name}={_quoted(path)}" for name, path in named.items()), *settings]
    log = folder / "read.log"
    with open(log, "w") as said:
        status = subprocess.run(line, stdout=said, stderr=said, env=os.environ, check=False).returncode
    if status or not (folder / "reading.json").is_file():
        last = next(reversed(log.read_text(errors="replace").strip().splitlines()), "")
        said = last.removeprefix("error: ") if last.startswith("error: ") else f"status {status}: {last}"
        raise UserError(f"the reading of {video.name} failed: {said} ({log})")


def _quoted(path: Path) -> str:
    """A path as a setting of Hydra, whatever characters are in it."""
    text = str(path.resolve()).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"
