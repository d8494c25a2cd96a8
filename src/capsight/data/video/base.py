"""A video: numbered frames, one after the other or some of them, and what is damaged in it."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

SKIPPED = 50  # frames that are passed over by decoding them; a seek begins at a key frame, which is about as far
ENDS = 1 << 20  # bytes at either end of a file that tell it from others


class Shot(NamedTuple):
    """One frame of a video.

    seconds: from the beginning, NaN where that is not known. image: RGB uint8 (H, W, 3), its size may change from frame
    to frame; None where the frame is unreadable. problem: why it is, or what may be wrong with the image; else "".
    """

    frame: int
    seconds: float
    image: np.ndarray | None
    problem: str = ""


class Video(ABC):
    """Frames that are read as a stream, so that a long video takes no more memory than a short one.

    name: of the file or folder, untrusted text. n_frames: an estimate where `exact` is False. frames_per_second: None
    where that is not known. notes: what is wrong with the video as a whole, or must be known of it.
    """

    name: str
    n_frames: int
    frames_per_second: float | None = None
    exact: bool = True

    def __init__(self, path: Path):
        self.path, self.notes = path, []
        self.name = os.fsencode(path.resolve().name).decode("utf-8", "replace")  # a name may be no text

    @abstractmethod
    def frames(self, start: int = 0) -> Iterator[Shot]:
        """Yield every frame from number `start` on, also the unreadable ones, in order."""

    def fetch(self, numbers: Iterable[int]) -> Iterator[Shot]:
        """Yield the frames of these numbers, in order; those that are not there are left out."""
        shots, following = iter(()), None
        for number in sorted(set(numbers)):
            if following is None or number > following + SKIPPED:
                shots = self.frames(number)
            for shot in shots:
                following = shot.frame + 1
                if shot.frame >= number:
                    break
            else:
                return
            if shot.frame == number:
                yield shot

    def fingerprint(self) -> dict:
        """Return what tells this video from another one: {"name", "bytes", "digest"}."""
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            digest = hashlib.sha256(file.read(ENDS))
            file.seek(max(0, size - ENDS))
            digest.update(file.read(ENDS))
        return {"name": self.name, "bytes": size, "digest": digest.hexdigest()}
