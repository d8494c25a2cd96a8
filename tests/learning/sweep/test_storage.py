import shutil
import sqlite3

import pytest

from capsight.errors import UserError
from capsight.learning.sweep import storage
from capsight.learning.sweep.worker import work

from .conftest import FAKE


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("cloud://study", "Can't load plugin: sqlalchemy.dialects:cloud"),
        ("study", "Could not parse SQLAlchemy URL"),
        ("sqlite:////no/such/folder/study.db", "unable to open database file"),
        ("journal:////no/such/folder/study.log", "No such file or directory"),
        ("sqlite:///{file}", "file is not a database"),
        ("postgresql://me:secret@host/study", "the Python package for this kind of database is not installed"),
    ],
)
def test_what_cannot_be_a_storage_is_told_in_one_line(tmp_path, url, says):
    file = tmp_path / "page.html"
    file.write_text("<html>no database, but long enough to look like one</html>" * 50)
    with pytest.raises(UserError, match="^the storage .* cannot be used: ") as error:
        storage.open_storage(url.format(file=file))
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)
    assert file.read_text().startswith("<html>")


def test_a_locked_database_is_told_and_nothing_is_lost(begin, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "PATIENCE", 0.1)
    list(work(begin(), 1, FAKE))
    url = f"sqlite:///{tmp_path / 'sweep' / 'study.db'}"
    other = sqlite3.connect(tmp_path / "sweep" / "study.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UserError, match="database is locked"), storage.in_one_line(url):
        list(work(begin(), 2, FAKE))
    other.execute("ROLLBACK")
    other.close()
    assert len(list(work(begin(), 2, FAKE))) == 2


def test_a_database_that_is_locked_in_the_middle_of_a_trial_leaves_the_trial_to_the_next_start(
    begin, tmp_path, monkeypatch
):
    monkeypatch.setattr(storage, "PATIENCE", 0.1)
    url = f"sqlite:///{tmp_path / 'sweep' / 'study.db'}"
    sweep = begin(settings=["epochs=3", "pause=0.3"])
    other = sqlite3.connect(tmp_path / "sweep" / "study.db", isolation_level=None)
    lines = work(sweep, 2, FAKE)
    next(lines)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UserError, match="database is locked"), storage.in_one_line(url):
        next(lines)
    other.execute("ROLLBACK")
    other.close()
    assert len(list(work(begin(settings=["epochs=3", "pause=0.3"]), 2, FAKE))) == 2


def test_a_journal_file_is_a_storage(begin, tmp_path):
    url = f"journal:///{tmp_path / 'study.log'}"
    list(work(begin(storage=url), 2, FAKE))
    assert len(list(work(begin(storage=url), 3, FAKE))) == 3


def test_a_folder_that_is_removed_under_way_is_told(begin, tmp_path):
    url = f"sqlite:///{tmp_path / 'sweep' / 'study.db'}"
    with pytest.raises(UserError, match="is gone; was the folder of the sweep removed"), storage.in_one_line(url):
        list(work(begin(settings=["fail=remove"]), 2, FAKE))


def test_a_folder_that_is_removed_between_two_trials_is_told(begin, tmp_path):
    url = f"sqlite:///{tmp_path / 'sweep' / 'study.db'}"
    lines = work(begin(), 3, FAKE)
    next(lines)
    shutil.rmtree(tmp_path / "sweep")
    with pytest.raises(UserError, match="the storage .* cannot be used|is gone"), storage.in_one_line(url):
        list(lines)
