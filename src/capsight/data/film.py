"""Frames into a video file."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from capsight.errors import UserError
from capsight.files import atomic

CODECS = ("libx264", "mpeg4")  # the first that is there
OPTIONS = {"libx264": {"preset": "veryfast"}, "mpeg4": {"qmin": "2", "qmax": "4"}}


def write_film(file: str | Path, frames: Iterable[np.ndarray], *, per_second: float, crf: int = 18) -> int:
    """Encode frames, RGB (height, width, 3) uint8 with even sides, as mp4, whole or not at all; return their number.

    crf: how much is lost, as libx264 counts: 0 nothing, 18 hardly visible, 23 its own choice.
    Raises UserError for a side that is odd, for no frames at all, and where the file cannot be written.
    """
    codec = next(name for name in CODECS if name in av.codecs_available)
    written = 0
    with atomic(file) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        for frame in frames:
            if not written:
                stream = _stream(container, codec, frame, per_second, crf)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
            written += 1
        if not written:
            raise UserError(f"there is no frame to write into {file}.")
        container.mux(stream.encode())
    return written


def _stream(container, codec: str, frame: np.ndarray, per_second: float, crf: int):
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        raise UserError(f"a video of {width} × {height} pixels cannot be written; both sides must be even.")
    options = OPTIONS[codec] | ({"crf": str(crf)} if codec == "libx264" else {})
    stream = container.add_stream(codec, rate=Fraction(per_second).limit_denominator(1000), options=options)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    return stream
