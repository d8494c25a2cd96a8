import copy

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from capsight.cli import CONF
from capsight.errors import UserError
from capsight.learning.settings import check_settings


@pytest.fixture(scope="module")
def settings():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return OmegaConf.to_container(compose("train", overrides=["experiment=demo", "run_dir=x"]))


def changed(settings, name, value):
    settings = copy.deepcopy(settings)
    section = settings
    *path, key = name.split(".")
    for part in path:
        section = section[part]
    section[key] = value
    return settings


def test_the_defaults_are_possible(settings):
    check_settings(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", -1),
        ("seed", True),
        ("data.image_size", 0),
        ("data.image_size", "abc"),
        ("data.image_size", 96.5),
        ("data.augmentation", -1),
        ("data.split.folds", "abc"),
        ("data.batch.frames_per_class", 0),
        ("data.findings", []),
        ("data.findings", "polyp"),
        ("data.findings", None),
        ("data.findings", ["polyp", "polyp"]),
        ("data.findings", ["device"]),
        ("data.split.unseen_devices", "phantom_7"),
        ("model.dropout", 2),
        ("model.embedding_dim", -3),
        ("model.optimiser.lr", float("nan")),
        ("trainer.max_epochs", -1),
        ("data.split", None),
        ("bank", 1),
        ("trust.passes", -1),
        ("trust.passes", 2.5),
        ("trust.deep", "yes"),
        ("trust.targets", []),
        ("trust.coverage", 0.9),
        ("trust.missed", [0.1, 1]),
        ("trust.calibration", "magic"),
    ],
)
def test_what_is_not_possible_is_named(settings, name, value):
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        check_settings(changed(settings, name, value))
