"""Decoded frames on disk: each is decoded once, for all epochs, workers, processes and trainings.

A folder holds `frames.bin`, one square 8-bit RGB frame after the other, `stamps.bin`, eight bytes for each, and
`cache.json`, which says whose frames they are. A stamp is written after its frame and holds a checksum of the frame and
of size and time of its file: a row that is half written, damaged, or of a file that has changed is decoded again.
"""

import fcntl
import hashlib
import json
import os
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from capsight.errors import UserError
from capsight.files import write_json

STAMP = 8  # bytes
FILES = ("frames.bin", "stamps.bin")


class FrameCache:
    """The frames of a manifest, uint8 (side, side, 3) each, read and written by any number of processes.

    Read and written by position and not through a memory map, where a full disk would kill the process. Two that write
    the same row write the same bytes. Where it cannot be written any more, it says so once and goes on without.
    """

    def __init__(self, folder: Path, paths: Sequence[str], side: int):
        self.folder, self.side, self.shape = folder, side, (side, side, 3)
        self._index = pd.Index(paths)
        self._files, self._writes = None, True

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_files": None}  # a worker opens its own

    def rows(self, paths: Sequence[str]) -> np.ndarray:
        """Return the rows of some paths of the manifest; -1 for others, which are not kept."""
        return self._index.get_indexer(pd.Index(paths))

    def read(self, row: int, file: str) -> np.ndarray | None:
        """Return the frame of a row; None where there is none, or none of the present file."""
        if row < 0:
            return None
        try:
            frames, stamps = self._open()
            data = os.pread(frames, self.side * self.side * 3, row * self.side * self.side * 3)
            found = os.pread(stamps, STAMP, row * STAMP)
            right = found == _stamp(data, file)
        except OSError:
            return None
        return np.frombuffer(data, np.uint8).reshape(self.shape).copy() if right else None

    def write(self, row: int, file: str, frame: np.ndarray) -> None:
        """Keep the frame of a row."""
        if row < 0 or not self._writes:
            return
        data = frame.tobytes()
        try:
            frames, stamps = self._open()
            _write(frames, data, row * len(data))
            _write(stamps, _stamp(data, file), row * STAMP)
        except OSError as error:
            self._writes = False
            _tell(f"the cache {self.folder} cannot be written ({error.strerror}); going on without it.")

    def _open(self) -> tuple[int, int]:
        if self._files is None:
            flags = os.O_RDWR if os.access(self.folder / FILES[0], os.W_OK) else os.O_RDONLY
            self._files = tuple(os.open(self.folder / name, flags) for name in FILES)
        return self._files


def open_cache(folder: str | Path, paths: Sequence[str], root: str | Path, side: int) -> FrameCache | None:
    """Open the cache of a manifest's `paths` below `root`, `side` pixels each; make it where there is none yet.

    Its whole space is taken at once; where the disk has too little, one line says so and there is none. Raises
    UserError where the folder holds the frames of another manifest, root or size, and where it cannot be made.
    """
    folder, whose = Path(str(folder)), _fingerprint(paths, root, side)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "cache.json").exists():  # one that is there may be a folder that can only be read
            with open(folder / ".lock", "w") as lock:  # of several processes the first one makes it
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not (folder / "cache.json").exists():
                    _make(folder, len(paths), side, whose)
    except OSError as error:
        return _not_made(folder, len(paths) * side * side * 3, error)
    if _read(folder / "cache.json").get("fingerprint") != whose:
        raise UserError(
            f"data.cache={folder} holds the frames of another manifest, root or image size; give another folder, or "
            "delete it."
        )
    return FrameCache(folder, paths, side)


def _make(folder: Path, n: int, side: int, whose: str) -> None:
    try:
        for name, size in zip(FILES, (n * side * side * 3, n * STAMP), strict=True):
            with open(folder / name, "wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)  # a full disk shows now, and not in the middle
                else:  # macOS
                    file.truncate(size)
        write_json({"frames": n, "side": side, "fingerprint": whose}, folder / "cache.json")  # last: it is complete
    except (OSError, UserError) as error:
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
        raise (error.__cause__ or error) from None  # write_json tells of an OSError as a UserError


def _not_made(folder: Path, size: int, error: OSError) -> None:
    if not folder.is_dir():
        raise UserError(f"data.cache={folder} cannot be made: {error.strerror}; choose another folder.") from None
    _tell(f"no cache in {folder}: {error.strerror}, and it takes {size / 1e9:.1f} GB; frames are decoded each time.")


def _read(file: Path) -> dict:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    return content if isinstance(content, dict) else {}


def _fingerprint(paths: Sequence[str], root: str | Path, side: int) -> str:
    text = "\0".join([str(Path(root).resolve()), str(side), *paths])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _stamp(data: bytes, file: str) -> bytes:
    stat = os.stat(file)
    of_file = zlib.crc32(f"{stat.st_size} {stat.st_mtime_ns}".encode())
    return (zlib.crc32(data) or 1).to_bytes(4, "little") + of_file.to_bytes(4, "little")


def _write(file: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written


def _tell(line: str) -> None:
    print(line, file=sys.stderr)
