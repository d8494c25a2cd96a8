import json

import optuna
import pytest

from capsight.errors import UserError
from capsight.learning.sweep.study import build_pruner
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


def test_another_manifest_is_another_search(begin):
    begin(settings=["data.manifest=a.csv"])
    with pytest.raises(UserError, match=r"another search \(settings\)"):
        begin(settings=["data.manifest=b.csv"])


@pytest.mark.parametrize("name", ["median", "asha"])
def test_no_trial_is_stopped_before_so_many_epochs(name):
    study = optuna.create_study(direction="maximize", pruner=build_pruner(name, epochs=2, trials=2, factor=2))
    for _ in range(4):
        trial = study.ask()
        for epoch in (1, 2):
            trial.report(0.9, step=epoch)
            trial.should_prune()
        study.tell(trial, 0.9)
    last = study.ask()
    last.report(0.1, step=1)
    assert not last.should_prune()
    last.report(0.1, step=2)
    assert last.should_prune()


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
