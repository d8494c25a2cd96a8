import importlib.util
import re

import pytest
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from capsight.errors import UserError
from capsight.learning.loggers import build_loggers


def test_loggers_by_name(tmp_path):
    csv, tensorboard = build_loggers(["csv", "tensorboard"], tmp_path)
    assert isinstance(csv, CSVLogger)
    assert isinstance(tensorboard, TensorBoardLogger)
    tensorboard.log_metrics({"loss": 1.0}, step=0)
    tensorboard.finalize("success")
    assert list((tmp_path / "tensorboard" / "version_0").glob("events.*"))


@pytest.mark.parametrize("names", [[], ["csv"], ["csv", "csv"]])
def test_csv_is_always_written(names, tmp_path):
    assert [type(logger) for logger in build_loggers(names, tmp_path)] == [CSVLogger]
    assert [type(logger) for logger in build_loggers(["tensorboard"], tmp_path)] == [CSVLogger, TensorBoardLogger]


@pytest.mark.parametrize(
    ("names", "said"), [(["csv", "excel"], "[csv,excel]"), ("csv", "csv"), ([["csv"]], "[['csv']]")]
)
def test_a_logger_that_there_is_not(names, said, tmp_path):
    line = f"logger={said} is not possible; give a list of csv, tensorboard, mlflow, wandb"
    with pytest.raises(UserError, match=re.escape(line)):
        build_loggers(names, tmp_path)


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_logger_that_is_not_installed(name, tmp_path):
    if importlib.util.find_spec(name):
        pytest.skip(f"{name} is installed")
    with pytest.raises(UserError, match=rf"logger={name} needs a package .* pip install 'capsight\[{name}\]'"):
        build_loggers([name], tmp_path)
    assert not list(tmp_path.iterdir())
