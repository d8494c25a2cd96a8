"""What a sweep leaves to look at, from a study that is made up."""

from pathlib import Path

import optuna
import pytest
from matplotlib.image import imread
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from capsight.errors import UserError
from capsight.learning.sweep.space import Parameter
from capsight.learning.sweep.study import Sweep
from capsight.report.sweep import show_trials, write_sweep_results

SPACE = [
    Parameter("lr", "model.optimiser.lr", "float", 1e-4, 1e-2, True),
    Parameter("mining", "model.loss.mining", "categorical", choices=("batch_all", "batch_hard")),
]
SPREAD = {
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "mining": CategoricalDistribution(("batch_all", "batch_hard")),
}


@pytest.fixture
def sweep(tmp_path):
    """Build a sweep of (value, standard error) pairs, the first trial the default; a text is a failed trial's error."""

    def build(*told) -> Sweep:
        study = optuna.create_study(direction="maximize")
        for number, one in enumerate(told):
            params = {"lr": 1e-3 * (1 + number), "mining": ("batch_all", "batch_hard")[number % 2]}
            attrs = {"default": True} if number == 0 else {}
            if isinstance(one, str):
                state, value, attrs = TrialState.FAIL, None, attrs | {"error": one}
            else:
                state, (value, error) = TrialState.COMPLETE, one
                attrs |= {"standard_error": error, "reason": None if error else "fewer than three patients"}
            trial = optuna.create_trial(state=state, value=value, params=params, distributions=SPREAD, user_attrs=attrs)
            study.add_trial(trial)
        return Sweep(tmp_path, study, SPACE, ["experiment=demo"], "auroc", "tpe", 0)

    return build


def test_pictures_table_and_best_settings(sweep, tmp_path, capsys):
    found = write_sweep_results(sweep((0.6, 0.05), (0.7, 0.04), "out of memory", (0.65, 0.03), (0.5, 0.02)))
    out = capsys.readouterr().out
    for name in ("history", "importance", "settings"):
        assert imread(tmp_path / f"{name}.png").std() > 0.01
    assert not list(tmp_path.glob(".*partial*"))
    assert found["best"] == 1
    assert "0.700 ± 0.040" in out
    assert out.index("0.700") < out.index("0.650") < out.index("0.600")
    assert "0 *" in out
    assert "1 failed." in out
    assert "The best is 0.100 above the experiment's own settings, more than its standard error." in out
    assert "mining: batch_hard" in (tmp_path / "experiment" / "best.yaml").read_text()


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (
            [(0.6, 0.05), (0.63, 0.04)],
            "within one standard error of the experiment's own settings (+0.030): keep",
        ),
        ([(0.7, 0.05), (0.63, 0.04)], "Nothing is better than the experiment's own settings."),
        (["no memory", (0.63, 0.04)], "there is nothing to compare with"),
        ([(0.6, None), (0.63, None)], "is not known: fewer than three patients"),
        ([(0.6, None), (0.63, None)], "No standard error: fewer than three patients among the validation patients."),
        ([(0.6, 0.05), (0.63, 0.04)], "are too few to tell which settings mattered"),
    ],
)
def test_what_the_best_is_worth_is_said(sweep, capsys, told, says):
    write_sweep_results(sweep(*told))
    assert says in capsys.readouterr().out


def test_the_default_is_in_the_table_however_bad_it_is(sweep, capsys):
    write_sweep_results(sweep((0.1, 0.05), *((0.5 + number / 100, 0.05) for number in range(12))))
    assert "0 *" in capsys.readouterr().out


def test_a_sweep_without_a_finished_trial_has_no_best(sweep, tmp_path):
    with pytest.raises(UserError, match="no trial was finished, so nothing is best; out of memory"):
        write_sweep_results(sweep("out of memory"))
    assert (tmp_path / "sweep.json").exists()
    assert not (tmp_path / "experiment").exists()


def test_every_finished_trial_is_a_line(sweep, capsys):
    one = sweep((0.6, 0.05), "no memory [bold]")
    trials, one_study = one.trials(), one.study
    empty = Sweep(Path("x"), optuna.create_study(), SPACE, [], "auroc", "tpe", 0)
    show_trials(iter(trials), empty, 3)
    err = capsys.readouterr().err
    assert one_study.best_trial.number == 0
    assert "trial 0: 0.600 ± 0.050  (lr 0.001, mining batch_all)" in err
    assert "trial 1: failed: no memory [bold]" in err


def test_a_stopped_sweep_says_how_it_goes_on(sweep, capsys):
    def stop():
        yield from sweep((0.6, 0.05)).trials()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        show_trials(stop(), sweep(), 3)
    assert "Stopped; the same command goes on." in capsys.readouterr().err
