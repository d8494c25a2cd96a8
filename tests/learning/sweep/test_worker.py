import pytest
from optuna.trial import TrialState

from capsight.errors import UserError
from capsight.learning.sweep.worker import work

from .conftest import FAKE


def starts(sweep, number):
    return (sweep.folder(number) / "starts").read_text().splitlines()


def test_the_first_trial_is_the_default_and_there_are_as_many_as_asked_for(begin):
    sweep = begin()
    finished = list(work(sweep, 4, FAKE))
    assert [trial.number for trial in finished] == [0, 1, 2, 3]
    assert all(trial.state == TrialState.COMPLETE for trial in finished)
    assert finished[0].params == {"x": 0.45}
    assert [starts(sweep, number) for number in range(4)] == [[str(trial.params["x"])] for trial in finished]
    assert all(trial.user_attrs["standard_error"] > 0 for trial in finished if trial.params["x"] < 0.9)
    assert finished[0].value == pytest.approx(sorted(finished, key=lambda t: abs(t.params["x"] - 0.45))[0].value)


def test_a_sweep_that_was_stopped_goes_on_as_if_it_had_not_been(begin, tmp_path):
    whole = [trial.params["x"] for trial in work(begin(), 6, FAKE)]
    out = tmp_path / "halves"
    list(work(begin(out), 3, FAKE))
    again = begin(out)
    assert [trial.params["x"] for trial in work(again, 6, FAKE)] == whole
    assert all(len(starts(again, number)) == 1 for number in range(6))
    assert len(list(work(begin(out), 6, FAKE))) == 6
    assert not (out / "trial_6").exists()


def test_a_failed_trial_is_recorded_and_the_sweep_goes_on(begin):
    sweep = begin(settings=["fail=low"], defaults={"x": 0.9})
    finished = list(work(sweep, 6, FAKE))
    failed = [trial for trial in finished if trial.state == TrialState.FAIL]
    assert {trial.number for trial in failed} == {trial.number for trial in finished if trial.params["x"] < 0.5}
    assert 0 < len(failed) < 6
    assert failed[0].user_attrs["error"].startswith("this training cannot work. (")


def test_it_stops_where_the_first_trials_all_fail_and_tries_the_default_again(begin):
    sweep = begin(settings=["fail=always"])
    with pytest.raises(UserError, match="no trial worked so far, so the sweep stops; the last one: this training"):
        list(work(sweep, 20, FAKE))
    assert len(sweep.trials()) == 3
    again = begin(settings=["fail=always"])
    with pytest.raises(UserError):
        list(work(again, 20, FAKE))
    assert again.trials()[3].params == {"x": 0.45}


def test_a_run_without_validation_predictions_is_a_failure(begin):
    sweep = begin(defaults={"x": 0.95})
    folder = sweep.folder(0)
    folder.mkdir()
    (folder / "metrics.json").write_text("{}")  # taken for a finished training
    with pytest.raises(UserError, match="no trial worked so far"):
        list(work(sweep, 1, FAKE))
    assert "has no validation/predictions.parquet" in sweep.trials()[0].user_attrs["error"]


@pytest.mark.parametrize("pruner", ["median", "asha"])
def test_a_trial_that_lags_behind_is_stopped(begin, pruner):
    told = {"settings": ["epochs=4", "pause=0.4"], "pruner": pruner, "sampler": "random"}
    sweep = begin(**told, defaults={"x": 0.99})
    finished = list(work(sweep, 3, FAKE))
    stopped = [trial for trial in finished if trial.state == TrialState.PRUNED]
    assert finished[0].state == TrialState.COMPLETE
    assert finished[0].intermediate_values == dict.fromkeys([1, 2, 3, 4], 0.99)
    assert stopped
    assert all(len(trial.intermediate_values) < 4 for trial in stopped)
    assert not any((sweep.folder(trial.number) / "metrics.json").exists() for trial in stopped)


def test_what_was_left_is_taken_over_with_its_number_settings_and_folder(begin):
    sweep = begin()
    trial = sweep.ask()  # a worker that dies before it has drawn anything
    list(work(sweep, 1, FAKE))
    asked = sweep.ask()
    x = sweep.space[0].suggest(asked)  # another one, after it has
    finished = list(work(sweep, 3, FAKE))
    assert [trial.number for trial in finished] == [0, 1, 2]
    assert (trial.number, finished[0].params["x"]) == (0, 0.45)
    assert (asked.number, finished[1].params["x"]) == (1, x)


def test_a_training_that_was_finished_when_its_worker_died_is_not_done_again(begin):
    sweep = begin()
    list(work(sweep, 1, FAKE))
    before = sweep.trials()[0]
    asked = sweep.ask()
    sweep.space[0].suggest(asked)
    (sweep.folder(0)).rename(sweep.folder(1))
    list(work(sweep, 2, FAKE))
    assert sweep.trials()[1].value == before.value
    assert starts(sweep, 1) == ["0.45"]
