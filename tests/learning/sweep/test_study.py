import json

import pytest

from capsight.errors import UserError
from capsight.learning.sweep.worker import work

from .conftest import FAKE


@pytest.mark.parametrize(
    ("changed", "says"),
    [({"high": 2.0}, "space"), ({"settings": ["epochs=2"]}, "settings"), ({"metric": "average_precision"}, "metric")],
)
def test_a_folder_with_another_search_is_not_gone_on_with(begin, changed, says):
    sweep = begin()
    list(work(sweep, 1, FAKE))
    with pytest.raises(UserError, match=rf"holds a sweep with another search \({says}\)"):
        begin(**changed)
    assert len(begin().trials()) == 1


def test_what_may_differ_between_machines_is_not_another_search(begin):
    begin(settings=["data.root=there"])
    assert begin(settings=["data.root=here", "data.workers=8"]).settings[-2:] == ["data.root=here", "data.workers=8"]


def test_a_storage_of_another_folder_is_refused(begin, tmp_path):
    begin()
    with pytest.raises(UserError, match="holds a sweep 'fake' of another folder"):
        begin(tmp_path / "other", storage=f"sqlite:///{tmp_path / 'sweep' / 'study.db'}")
    begin(tmp_path / "other", storage=f"sqlite:///{tmp_path / 'sweep' / 'study.db'}", name="another")


def test_a_storage_that_lost_the_trials_is_told(begin, tmp_path):
    list(work(begin(), 1, FAKE))
    (tmp_path / "sweep" / "study.db").unlink()
    with pytest.raises(UserError, match="does not hold the trials of"):
        begin()
    assert (tmp_path / "sweep" / "trial_0" / "metrics.json").exists()


def test_a_damaged_note_of_what_was_searched_is_told(begin, tmp_path):
    begin()
    note = tmp_path / "sweep" / "search.json"
    note.write_text(json.dumps([]))
    with pytest.raises(UserError, match="search.json is damaged"):
        begin()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"metric": "luck"}, "metric=luck"),
        ({"sampler": "luck"}, "sampler=luck"),
        ({"pruner": "luck"}, "pruner.name=luck"),
    ],
)
def test_unknown_names_are_told_before_anything_is_made(begin, tmp_path, changed, says):
    with pytest.raises(UserError, match=f"{says} is not known; choose"):
        begin(**changed)
    assert not list((tmp_path / "sweep").glob("*"))
