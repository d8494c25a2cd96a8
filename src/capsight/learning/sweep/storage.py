"""Where a study is kept: a database or a journal file that workers share; what is wrong with it in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from capsight.errors import UserError

JOURNAL = "journal:///"
PATIENCE = 60  # seconds to wait while another worker writes


def storage_url(storage: str | None, out: Path) -> str:
    """Return the URL of a storage; by default a database in the sweep's folder."""
    return storage or f"sqlite:///{out / 'study.db'}"


def open_storage(url: str) -> BaseStorage:
    """Open a storage, and make it where there is none. UserError for one that cannot be used."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with in_one_line(url):
        if url.startswith(JOURNAL):
            return JournalStorage(JournalFileBackend(url.removeprefix(JOURNAL)))
        waits = {"connect_args": {"timeout": PATIENCE}} if url.startswith("sqlite") else {}
        return RDBStorage(url, engine_kwargs=waits)


@contextmanager
def in_one_line(url: str) -> Iterator[None]:
    """Turn what goes wrong with a storage into a UserError."""
    try:
        yield
    except (OptunaError, SQLAlchemyError, ImportError, OSError) as error:
        file = str(getattr(error, "filename", None))
        of_journal = url.startswith(JOURNAL) and file.startswith(url.removeprefix(JOURNAL))
        if isinstance(error, FileNotFoundError) and not of_journal:
            raise UserError(f"{file} is gone; was the folder of the sweep removed?") from error
        if isinstance(error, OSError) and not of_journal:
            raise
        raise UserError(
            f"the storage {_shown(url)} cannot be used: {_reason(error)}. Give storage=sqlite:///FILE, "
            f"{JOURNAL}FILE or another database. Once it can be used again, the same command goes on with its trials."
        ) from error


def _shown(url: str) -> str:
    """Return a URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url


def _reason(error: BaseException) -> str:
    """Return what the database itself said, the innermost of a chain of errors."""
    if isinstance(error, ImportError):
        return "the Python package for this kind of database is not installed"
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(getattr(error, "strerror", None) or error).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
