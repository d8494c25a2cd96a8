"""Multi-frame DICOM as a video: its pixels and its times. Who the patient is is read from nowhere.

Only the tags in TAGS are taken from the header. What may be burned into the picture itself cannot be taken out.
"""

import re
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import pydicom
from pydicom.encaps import generate_fragments, parse_basic_offsets, parse_fragments
from pydicom.errors import InvalidDicomError
from pydicom.pixels import iter_pixels

from capsight.data.video.base import Shot, Video
from capsight.data.video.file import VideoFile
from capsight.errors import UserError

TAGS = [
    "Rows",
    "NumberOfFrames",
    "FrameTime",
    "CineRate",
    "RecommendedDisplayFrameRate",
    "BitsStored",
    "PhotometricInterpretation",
    "BurnedInAnnotation",
]
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "MONOCHROME1", "MONOCHROME2")
FILMS = {f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109)}  # MPEG-2, H.264, HEVC in one stream
BURNED_IN = "its header says that text about the patient is burned into the pictures; look before you hand them on."


def is_dicom(path: Path) -> bool:
    """Tell whether a file is DICOM, by the four letters that stand behind its preamble."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def open_dicom(path: Path) -> Video:
    """Open a DICOM file. UserError where it has no pixels, or pixels that cannot be decoded here."""
    try:
        with path.open("rb") as file:
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=TAGS)
            if "Rows" not in header or not file.read(1):
                raise UserError(f"{path} is a DICOM without pixels; give one that holds frames.")
        film = header.file_meta.get("TransferSyntaxUID", "") in FILMS
        video = _film(path) if film else DicomFrames(path, header)
    except (InvalidDicomError, OSError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
        raise UserError(f"{path} is not a DICOM that can be read: {' '.join(str(error).split())}.") from None
    if header.get("BurnedInAnnotation") == "YES":
        video.notes.append(BURNED_IN)
    return video


class DicomFrames(Video):
    """The frames of a DICOM in which each is compressed by itself, or not at all."""

    def __init__(self, path: Path, header: pydicom.Dataset):
        super().__init__(path)
        self.n_frames = int(header.get("NumberOfFrames") or 1)
        self.frames_per_second = _rate(header)
        self._colour, self._depth = header.get("PhotometricInterpretation"), int(header.get("BitsStored") or 8)
        if self._colour not in COLOURS:
            raise UserError(f"{path} holds pixels of the kind {self._colour}, which are not read here; convert to RGB.")

    def frames(self, start: int = 0) -> Iterator[Shot]:
        following = start
        while following < self.n_frames:
            try:
                numbers = range(following, self.n_frames) if following else None
                for image in iter_pixels(self.path, indices=numbers, **self._places):
                    if following == self.n_frames:
                        return
                    yield Shot(following, self._seconds(following), self._rgb(image))
                    following += 1
                why = "it is missing"
            except Exception as error:  # decoders raise nearly anything on damaged data
                why = re.sub(r" at 0x\w+", "", " ".join(str(error).split())) or type(error).__name__
            if following < self.n_frames:
                yield Shot(following, self._seconds(following), None, why)
                following += 1

    @cached_property
    def _places(self) -> dict:
        """Where each frame lies, for pydicom, which else would search each from the beginning; {} where that is told.

        {} also where a frame lies in several fragments.
        """
        with self.path.open("rb") as file:
            header = _to_pixels(file)
            if not header.file_meta.TransferSyntaxUID.is_compressed:
                return {}
            try:
                if parse_basic_offsets(file):
                    return {}
                begin = file.tell()
                n_fragments, offsets = parse_fragments(file)
            except ValueError:  # damaged
                return {}
            if n_fragments != self.n_frames:
                return {}
            lengths = []
            for offset in offsets:
                file.seek(offset + 4)  # the tag
                lengths.append(int.from_bytes(file.read(4), "little"))
        return {"extended_offsets": ([offset - begin for offset in offsets], lengths)}

    def _seconds(self, number: int) -> float:
        return number / self.frames_per_second if self.frames_per_second else float("nan")

    def _rgb(self, image: np.ndarray) -> np.ndarray:
        if image.dtype != np.uint8 or self._depth != 8:
            image = np.clip(image.astype(np.float32) * (255 / (2**self._depth - 1)), 0, 255).astype(np.uint8)
        if image.ndim == 2:
            image = cv2.cvtColor(255 - image if self._colour == "MONOCHROME1" else image, cv2.COLOR_GRAY2RGB)
        return image


def _rate(header: pydicom.Dataset) -> float | None:
    """Frames per second, of the tags that may hold it."""
    if time := float(header.get("FrameTime") or 0):
        return 1000 / time
    return float(header.get("CineRate") or header.get("RecommendedDisplayFrameRate") or 0) or None


def _film(path: Path) -> VideoFile:
    """A DICOM whose frames are one stream of MPEG: it is copied to a temporary file without a name."""
    stream = tempfile.TemporaryFile()  # noqa: SIM115, the video reads it as long as it lives
    with path.open("rb") as file:
        for fragment in _fragments(file):
            stream.write(fragment)
    return VideoFile(path, stream)


def _to_pixels(file: BinaryIO) -> pydicom.Dataset:
    """Go to the value of the pixel data; returns what little is read of the header."""
    header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["Rows"])
    file.seek(12, 1)  # tag, kind and length of the pixel data
    return header


def _fragments(file: BinaryIO) -> Iterator[bytes]:
    _to_pixels(file)
    parse_basic_offsets(file)
    yield from generate_fragments(file)
