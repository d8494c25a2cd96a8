"""Videos rebuilt from single frames of which the video and the number are known.

The frames that a publisher chose are only a part of each video, and mostly those with something in them: how long a
video is, and how much of it is healthy, cannot be learned from them.
"""

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from capsight.data.known_videos import UNKNOWN, write_known
from capsight.data.manifest import resolve
from capsight.errors import UserError


def rebuild_videos(
    table: pd.DataFrame, root: str | Path, folder: str | Path, findings: Sequence[str], *, gap: int
) -> None:
    """Make a folder of frames for every video of a manifest, in the order of their numbers, and its lesions.

    The frames are links to those below `root`, copies where links cannot be. Frames of a finding that follow each
    other, with numbers at most `gap` apart, are one lesion; frames of which a finding is not known belong to none.
    Frames without a video, number or patient are left out. Raises UserError where none is left.
    """
    folder = Path(folder)
    known = table.dropna(subset=["video", "frame", "patient"]).sort_values(["video", "frame", "path"])
    if not len(known):
        raise UserError("no frame has a video, a frame number and a patient; no video can be rebuilt from them.")
    videos, lesions = [], []
    for number, (name, frames) in enumerate(known.groupby("video", sort=True)):
        if frames["patient"].nunique() > 1:
            raise UserError(
                f"the video {name} has frames of {frames['patient'].nunique()} patients; mend the manifest."
            )
        video = f"v{number:04d}_" + "".join(c if c.isalnum() or c in "-_" else "_" for c in str(name))[:80]
        _link([resolve(root, path) for path in frames["path"]], folder / video)
        named = {"video": video, "patient": frames["patient"].iloc[0]}
        videos.append(named)
        numbers = frames["frame"].to_numpy(dtype=np.int64)
        for finding in findings:
            lesions += [named | span for span in _spans(frames[finding], numbers, finding, gap)]
    lesions = pd.DataFrame(lesions, columns=["video", "patient", "finding", "known", "first", "last"])
    lesions["lesion"] = lesions.groupby("video")["known"].cumsum().where(lesions["known"], UNKNOWN).astype(int)
    write_known(folder, pd.DataFrame(videos), lesions)


def _spans(labels: pd.Series, numbers: np.ndarray, finding: str, gap: int) -> list[dict]:
    """The runs of frames with a finding, and of those where it is not known."""
    value = labels.astype("Float64").fillna(-1).to_numpy(dtype=float)
    begins = np.concatenate([[True], (np.diff(value) != 0) | (np.diff(numbers) > gap)])
    firsts = np.flatnonzero(begins)
    lasts = np.append(firsts[1:], len(value)) - 1
    return [
        {"finding": finding, "known": value[first] == 1, "first": int(first), "last": int(last)}
        for first, last in zip(firsts, lasts, strict=True)
        if value[first] != 0
    ]


def _link(files: list[Path], folder: Path) -> None:
    """Make a folder that holds these files under their position."""
    folder.mkdir(parents=True, exist_ok=True)
    for position, file in enumerate(files):
        if not file.is_file():
            raise UserError(f"there is no frame {file}; give the folder that the manifest's paths are relative to.")
        link = folder / f"{position:06d}{file.suffix.lower()}"
        with suppress(FileNotFoundError):
            link.unlink()
        try:
            os.symlink(file.resolve(), link)
        except OSError:
            shutil.copyfile(file, link)
