"""A folder of frames as a video: its images in the natural order of their names."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from capsight.data.frames import read_frame
from capsight.data.video.base import Shot, Video
from capsight.errors import UserError

IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif"}


class FrameFolder(Video):
    """The images that lie in a folder, not in its subfolders; frame_2 comes before frame_10.

    frames_per_second: as they were taken, where that is known. UserError where there is no image.
    """

    def __init__(self, path: Path, frames_per_second: float | None = None):
        super().__init__(path)
        self.frames_per_second = frames_per_second
        self.files = sorted((file for file in path.iterdir() if file.suffix.lower() in IMAGES), key=natural_order)
        self.n_frames = len(self.files)
        if not self.files:
            raise UserError(f"{path} holds no image ({', '.join(sorted(IMAGES))}); give a folder of frames, or a file.")

    def frames(self, start: int = 0) -> Iterator[Shot]:
        for number in range(start, self.n_frames):
            seconds = number / self.frames_per_second if self.frames_per_second else float("nan")
            try:
                yield Shot(number, seconds, read_frame(self.files[number]))
            except UserError as error:
                yield Shot(number, seconds, None, str(error).replace(str(self.path / "_")[:-1], ""))

    def fingerprint(self) -> dict:
        sizes = [(file.name, file.stat().st_size) for file in self.files]
        digest = hashlib.sha256(repr(sizes).encode("utf-8", "surrogateescape")).hexdigest()
        return {"name": self.name, "bytes": sum(size for _, size in sizes), "digest": digest}


def natural_order(file: Path) -> tuple:
    """Return a key that sorts names with numbers in them as people do."""
    parts = re.split(r"(\d+)", file.name)
    return tuple((int(part), "") if part.isdecimal() else (-1, part.lower()) for part in parts), file.name
