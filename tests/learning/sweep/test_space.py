import optuna
import pytest
from omegaconf import OmegaConf

from capsight.errors import UserError
from capsight.learning.sweep.space import Parameter, check_told, read_space

LR = {"setting": "model.optimiser.lr", "kind": "float", "low": 1e-4, "high": 1e-2, "log": True}
CONFIG = OmegaConf.create({"model": {"optimiser": {"lr": 1e-3}, "squared": False, "dim": None}, "adaptation": ["dann"]})


def one(**changed):
    return {"lr": {key: value for key, value in (LR | changed).items() if value != "absent"}}


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({}, "search.parameters is empty"),
        (None, "search.parameters is empty"),
        ({"lr": 3}, "search.parameters.lr=3 is not possible"),
        (one(low=1e-2, high=1e-4), "search.parameters.lr: low=0.01 is not below high=0.0001"),
        (one(high=1e-4), "low=0.0001 is not below high=0.0001"),
        (one(low=0), "search.parameters.lr: low=0 has no logarithm"),
        (one(low="small"), "search.parameters.lr.low=small is not possible; it is a number"),
        (one(high=float("inf")), "search.parameters.lr.high=inf is not possible"),
        (one(high=float("nan")), "search.parameters.lr.high=nan is not possible"),
        (one(high="absent"), "search.parameters.lr.high is missing"),
        (one(setting="absent"), "search.parameters.lr.setting is missing"),
        (one(setting=3), "search.parameters.lr.setting=3 is not possible"),
        (one(kind="real"), "search.parameters.lr.kind=real is not known; choose float, int, categorical"),
        (one(kind="int", log=False), "search.parameters.lr.low=0.0001 is not possible; it is a whole number"),
        (one(log="yes"), "search.parameters.lr.log=yes is not possible"),
        (one(step=2), "search.parameters.lr.step is not known for kind float"),
        ({"a": {"setting": "x", "kind": "categorical", "choices": [1]}}, "choices=[1] is not possible"),
        ({"a": {"setting": "x", "kind": "categorical", "choices": [1, 1]}}, "choices=[1, 1] is not possible"),
        ({"a": {"setting": "x", "kind": "categorical", "choices": [[1], [2]]}}, "lists in quotes"),
        (one() | {"again": LR}, "varies model.optimiser.lr twice"),
    ],
)
def test_a_space_that_makes_no_sense_is_told(parameters, says):
    with pytest.raises(UserError) as error:
        read_space(parameters)
    assert says in str(error.value)


def test_every_kind_is_drawn_within_its_bounds_and_told_as_a_setting():
    entries = {
        "lr": LR,
        "dim": {"setting": "model.dim", "kind": "int", "low": 2, "high": 9},
        "squared": {"setting": "model.squared", "kind": "categorical", "choices": [False, True, None, "[a,b]"]},
    }
    space = read_space(entries)
    study = optuna.create_study()
    for _ in range(20):
        trial = study.ask()
        lr, dim, squared = (parameter.suggest(trial) for parameter in space)
        assert 1e-4 <= lr <= 1e-2
        assert dim in range(2, 10)
        assert space[2].told(squared) in {f"model.squared={text}" for text in ("false", "true", "null", "[a,b]")}
        assert [parameter.suggest(trial) for parameter in space] == [lr, dim, squared]
        study.tell(trial, 0.0)
    assert space[0].told(1e-5) == "model.optimiser.lr=1e-05"
    assert [parameter.edges() for parameter in space[:2]] == [(1e-4, 1e-2), (2, 9)]


def test_the_default_is_what_the_config_has():
    choices = {"kind": "categorical", "choices": ("[]", "[dann]")}
    assert Parameter("lr", "model.optimiser.lr", "float", 1e-4, 1e-2).default(CONFIG) == 1e-3
    assert Parameter("a", "adaptation", **choices).default(CONFIG) == "[dann]"
    assert Parameter("s", "model.squared", "categorical", choices=(True, False)).default(CONFIG) is False
    assert Parameter("d", "model.dim", "categorical", choices=(0, None)).default(CONFIG) is None
    with pytest.raises(UserError, match="model.squared is false where nothing varies it, and not in the search space"):
        Parameter("s", "model.squared", "categorical", choices=(0, 1)).default(CONFIG)
    with pytest.raises(UserError, match="model.optimiser.lr is 0.001 .* widen the space"):
        Parameter("lr", "model.optimiser.lr", "float", 1e-2, 1e-1).default(CONFIG)


@pytest.mark.parametrize(("setting", "says"), [("model.lrr", "no setting of"), ("model", "a group of settings")])
def test_a_setting_that_is_none_is_told(setting, says):
    with pytest.raises(UserError, match=says):
        check_told([Parameter("a", setting, "float", 0, 1)], CONFIG)
