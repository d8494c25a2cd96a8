import errno
import sys

import hydra
import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from capsight.cli import CONF, explain, own_config_dir


def test_a_missing_setting_is_named():
    with pytest.raises(Exception) as caught:
        OmegaConf.to_container(OmegaConf.create({"data": {"root": "???"}}), throw_on_missing=True)
    assert "data.root=..." in explain(caught.value)


def test_a_full_disk_and_no_permission_are_explained():
    assert "disk is full" in explain(OSError(errno.ENOSPC, "No space left on device"))
    assert "cannot use /x: denied" in explain(PermissionError(errno.EACCES, "denied", "/x"))


def test_hydras_advice_becomes_one_line():
    text = "Could not override 'model.lrr'.\nTo append to your config use +model.lrr=1\nKey 'lrr' is not in struct"
    line = explain(ConfigCompositionException(text))
    assert "model.lrr" in line
    assert "\n" not in line
    assert "+" not in line


def test_a_config_dir_of_ones_own_is_handed_on(tmp_path, monkeypatch):
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)  # what is set below goes with the test
    assert own_config_dir() == []
    told = []
    monkeypatch.setattr(sys, "argv", ["x", "--config-dir", str(tmp_path), "run_dir=x"])
    monkeypatch.chdir(tmp_path)
    hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")(
        lambda _: told.extend(own_config_dir())
    )()
    assert told == ["--config-dir", str(tmp_path)]


def test_a_defect_is_not_explained_away():
    assert explain(ZeroDivisionError()) is None


def test_every_config_file_is_commented():
    files = list(CONF.rglob("*.yaml"))
    assert files
    for file in files:
        assert "#" in file.read_text().splitlines()[0], file
