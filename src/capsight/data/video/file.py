"""Video files (mp4, avi, mpg, mkv and others that FFmpeg knows) by PyAV."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from capsight.data.video.base import Shot, Video
from capsight.errors import UserError

# Only containers of video: FFmpeg would also show a text as a film, and follow playlists to other files.
FORMATS = "mov,mp4,m4v,avi,mpeg,mpegts,mpegvideo,matroska,webm,asf,ogg,flv,h264,hevc,mjpeg,dv,mxf,gif"
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
# After a jump in the others, such as MPEG program streams, FFmpeg makes up other time stamps than before.
SEEKABLE = ("mov", "matroska", "avi")
DAMAGED = "decoded from damaged data, so that parts of it may be made up"
MISSING = "its data is damaged, and the decoder gave no image"


class VideoFile(Video):
    """A file whose frames are numbered by their time stamps, read from its packets before anything is decoded.

    So a frame that cannot be decoded keeps its number, and the others keep theirs. Where a container has no time
    stamps, frames are counted as they are decoded. `source`: an open file to read in place of `path`. Raises UserError
    for what is no video, has no frame, or needs a decoder that is not here.
    """

    def __init__(self, path: Path, source: BinaryIO | None = None):
        super().__init__(path)
        self._source = source
        if source is not None:
            weakref.finalize(self, source.close)
        try:
            with self._open() as (container, stream):
                if stream.codec_context is None:
                    raise UserError(f"{path}: there is no decoder for its codec here; convert it to H.264.")
                self._time_base = stream.time_base
                rate = stream.average_rate or stream.guessed_rate
                self.frames_per_second = float(rate) if rate else None
                packets = [(p.pts, p.is_keyframe) for p in _packets(container, stream) if not p.is_discard]
                promised = stream.frames
                self._seeks = container.format.name.startswith(SEEKABLE)
        except (av.error.FFmpegError, OSError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise UserError(f"{path} is not a video that can be read ({why}); give an mp4, avi, mpg or mkv.") from None
        if not packets:
            raise UserError(f"{path} is a video without frames; give another one.")
        stamps = {stamp for stamp, _ in packets}
        self.n_frames = len(packets)
        self.exact = None not in stamps and len(stamps) == len(packets)
        if self.exact:  # 8 bytes a frame
            self._stamps = np.array(sorted(stamps), np.int64)
            self._keys = np.array(sorted(stamp for stamp, is_key in packets if is_key), np.int64)
        if promised > self.n_frames:
            self.notes.append(f"the file promises {promised} frames and holds {self.n_frames}: it was cut short.")

    def frames(self, start: int = 0) -> Iterator[Shot]:
        return self._numbered(start) if self.exact else self._counted(start)

    def _numbered(self, start: int) -> Iterator[Shot]:
        """Frames by time stamp; those that never come out of the decoder are unreadable."""
        following, to_rgb = start, VideoReformatter()
        for frame, problem in self._decoded(start):
            if frame is None or frame.pts is None:
                continue
            number = int(np.searchsorted(self._stamps, frame.pts))
            if number < following or number == self.n_frames or self._stamps[number] != frame.pts:
                continue  # before the start, given twice, or not announced
            for missing in range(following, number):
                yield Shot(missing, self._seconds(missing), None, MISSING)
            yield _shot(number, self._seconds(number), frame, problem, to_rgb)
            following = number + 1
        for missing in range(following, self.n_frames):
            yield Shot(missing, self._seconds(missing), None, MISSING)

    def _counted(self, start: int) -> Iterator[Shot]:
        rate, to_rgb = self.frames_per_second or np.nan, VideoReformatter()
        for number, (frame, problem) in enumerate(self._decoded(0)):
            if number >= start:
                yield (
                    Shot(number, number / rate, None, problem)
                    if frame is None
                    else _shot(number, number / rate, frame, problem, to_rgb)
                )

    def _seconds(self, number: int) -> float:
        return float((int(self._stamps[number]) - int(self._stamps[0])) * self._time_base)

    def _decoded(self, start: int) -> Iterator[tuple[av.VideoFrame | None, str]]:
        """Decode from the last key frame before `start`: a frame, or None for a packet that the decoder refuses."""
        with self._open() as (container, stream):
            stream.thread_type = "AUTO"
            for packet in self._packets_from(container, stream, start):
                try:
                    for frame in packet.decode():
                        yield frame, DAMAGED if frame.is_corrupt else ""
                except av.error.FFmpegError:
                    yield None, MISSING

    def _packets_from(self, container, stream, start: int) -> Iterator[av.Packet]:
        """All packets from the last key frame before `start` on; all, where that cannot be gone to."""
        if start and self._seeks and (key := self._key_before(start)) is not None:
            container.seek(key, stream=stream)
            packets = _packets(container, stream, flush=True)
            for packet in packets:
                if packet.pts == key:
                    yield packet
                    yield from packets
                    return
                if packet.is_keyframe and packet.pts is not None and packet.pts > key:
                    break  # the index of the file leads astray
            container.seek(int(self._stamps[0]), stream=stream)
        yield from _packets(container, stream, flush=True)

    def _key_before(self, start: int) -> int | None:
        place = np.searchsorted(self._keys, self._stamps[min(start, self.n_frames - 1)], "right")
        return int(self._keys[place - 1]) if place else None

    @contextmanager
    def _open(self) -> Iterator[tuple]:
        if self._source is not None:
            self._source.seek(0)
        # The absolute path, because "concat:..." would be a protocol and not a file.
        with av.open(self._source or str(self.path.resolve()), options=OPTIONS, metadata_errors="replace") as container:
            if not container.streams.video:
                raise UserError(f"{self.path} has no pictures in it; give a video.")
            yield container, container.streams.video[0]


def _packets(container, stream, flush: bool = False) -> Iterator[av.Packet]:
    """The packets of the stream; damage between them is stepped over. flush: also the empty last one."""
    packets = container.demux(stream)
    failures = 0
    while failures < 100:  # in a row
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError:
            failures += 1
            continue
        failures = 0
        if packet.size or flush:
            yield packet


def _shot(number: int, seconds: float, frame: av.VideoFrame, problem: str, to_rgb: VideoReformatter) -> Shot:
    """One reformatter serves all frames: a frame that has to make its own takes twice as long."""
    try:
        return Shot(number, seconds, to_rgb.reformat(frame, format="rgb24").to_ndarray(), problem)
    except (av.error.FFmpegError, ValueError) as error:
        return Shot(number, seconds, None, f"its pixels cannot be made RGB: {error}")
