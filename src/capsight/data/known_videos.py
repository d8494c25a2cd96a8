"""A folder of videos of which it is known where their lesions are: videos.csv and lesions.csv.

videos.csv: `video` (a file or a folder of frames, relative to the folder), `patient`.
lesions.csv: `video`, `patient`, `finding`, `lesion` (its number within the video), `first` and `last` (frames, from 0,
inclusive). Lesion number 0 is none: of its frames nobody knows whether the finding is in them.
"""

from pathlib import Path

import pandas as pd

from capsight.errors import UserError
from capsight.files import atomic

VIDEO = ("video", "patient")
LESION = (*VIDEO, "finding", "lesion", "first", "last")
UNKNOWN = 0  # the number of a lesion that is none


def write_known(folder: str | Path, videos: pd.DataFrame, lesions: pd.DataFrame) -> None:
    """Write both tables, the one that says that the folder is complete last."""
    for name, columns, table in (("lesions", LESION, lesions), ("videos", VIDEO, videos)):
        with atomic(Path(folder) / f"{name}.csv") as temporary:
            table.reindex(columns=list(columns)).to_csv(temporary, index=False)


def read_known(folder: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the videos and their lesions. UserError where a table is missing, damaged, or about other videos."""
    folder = Path(folder)
    videos, lesions = _read(folder / "videos.csv", VIDEO), _read(folder / "lesions.csv", LESION)
    if videos["video"].duplicated().any() or not len(videos):
        raise UserError(f"{folder / 'videos.csv'} must name one or more videos, each of them once.")
    if videos[list(VIDEO)].isna().any(axis=None):
        raise UserError(f"{folder / 'videos.csv'}: every video needs a name and a patient.")
    if strange := sorted(set(lesions["video"].dropna()) - set(videos["video"])):
        raise UserError(f"{folder / 'lesions.csv'} tells of {strange[0]!r}, which is not in videos.csv.")
    for name in ("lesion", "first", "last"):
        lesions[name] = pd.to_numeric(lesions[name], errors="coerce")
    bad = lesions.isna().any(axis=1) | (lesions["first"] < 0) | (lesions["last"] < lesions["first"])
    if bad.any():
        raise UserError(
            f"{folder / 'lesions.csv'}, line {bad.to_numpy().argmax() + 2}: a lesion needs a video, its patient, a "
            "finding, a number, and its first and last frame."
        )
    told = lesions[lesions["lesion"] != UNKNOWN]
    if told.duplicated(["video", "lesion"]).any():
        raise UserError(f"{folder / 'lesions.csv'}: two lesions of a video have one number; number them anew.")
    patient = dict(zip(videos["video"], videos["patient"], strict=True))
    if (lesions["patient"] != lesions["video"].map(patient)).any():
        raise UserError(f"{folder / 'lesions.csv'} and videos.csv name different patients for one video.")
    return videos, lesions.astype({"lesion": int, "first": int, "last": int})


def _read(file: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        table = pd.read_csv(file, dtype="string")
    except FileNotFoundError:
        raise UserError(
            f"{file} is missing; videos with known findings are a folder with videos.csv and lesions.csv."
        ) from None
    except (ValueError, OSError) as error:
        raise UserError(f"cannot read {file}: {str(error).splitlines()[0]}.") from None
    if lacking := [name for name in columns if name not in table.columns]:
        raise UserError(f"{file} has no column {lacking[0]!r}; it needs {', '.join(columns)}.")
    return table[list(columns)].reset_index(drop=True)
