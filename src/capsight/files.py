"""Files that are either whole or not there, and the folder of facts about data sets."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from capsight.errors import UserError
from capsight.notice import NOTICE

_INSTALLED = Path(__file__).parent / "data_manifests"
DATA_MANIFESTS = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[2] / "data_manifests"


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` on success, remove it on failure.

    Raises UserError where the folder cannot be written or the disk is full.
    """
    path = Path(path)
    # The suffix stays last, because writers choose the format by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"cannot write {path}: {reason}. Free space or choose another folder.") from error
    finally:
        with suppress(OSError):  # gone after success; the folder may not even be one
            temporary.unlink()


def write_json(content: dict, file: str | Path) -> None:
    """Write a JSON file, whole or not at all; NaN is refused, because JSON has none."""
    with atomic(file) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_result(content: dict, file: str | Path) -> None:
    """Write the JSON file that a verb leaves, with the notice as its last key."""
    write_json({**content, "notice": NOTICE}, file)
