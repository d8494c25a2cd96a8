"""The exported models that a run keeps in its folder `engines`, made once and made anew when its weights change."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from capsight.errors import UserError
from capsight.inference.engines.card import read_card
from capsight.inference.engines.export import SUFFIXES, export
from capsight.learning.frame_learner import FrameLearner
from capsight.learning.run import Run


def kept_file(run: Run, learner: FrameLearner, engine: str, precision: str, **reading) -> Path:
    """Return the exported model of a run, which is exported where there is none of the present weights."""
    folder = run.dir / "engines"
    file = folder / f"{engine}_{precision}{SUFFIXES[engine]}"
    with _alone(folder):
        card = read_card(file)
        if not card or not file.is_file() or card.get("run", {}).get("weights") != run.fingerprint():
            export(run, learner, file, format=engine, precision=precision, **reading)
    return file


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process exports into the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "w")  # noqa: SIM115, closed below
    except OSError as error:
        raise UserError(
            f"cannot write {folder}: {error.strerror}. Export to another place with scripts/export.py, or copy the run."
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
