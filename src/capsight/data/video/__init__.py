"""Videos of any kind as a stream of numbered frames."""

from pathlib import Path

from capsight.data.video.base import Shot, Video
from capsight.data.video.dicom import is_dicom, open_dicom
from capsight.data.video.file import VideoFile
from capsight.data.video.folder import FrameFolder
from capsight.errors import UserError

__all__ = ["Shot", "Video", "open_video"]


def open_video(path: str | Path, frames_per_second: float | None = None) -> Video:
    """Open a video file, a folder of frames or a multi-frame DICOM.

    frames_per_second: of the frames in a folder; the others know it themselves. UserError where there is nothing to
    read.
    """
    path = Path(path)
    if path.is_dir():
        return FrameFolder(path, frames_per_second)
    if not path.is_file():
        raise UserError(f"there is no video {path}; give a file, or a folder of frames.")
    try:
        return open_dicom(path) if is_dicom(path) else VideoFile(path)
    except PermissionError:
        raise UserError(f"cannot read {path}: permission denied.") from None
