"""A run: the folder that holds all that is needed to use a model again, or to defend a number in a paper."""

import hashlib
import json
import os
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from capsight.data.manifest import fingerprint, read_manifest, write_manifest
from capsight.errors import UserError
from capsight.files import atomic, write_json
from capsight.learning.checkpoints import load_checkpoint
from capsight.learning.frame_learner import FrameLearner

PACKAGES = (
    "capsight",
    "torch",
    "torchvision",
    "timm",
    "pytorch-lightning",
    "albumentations",
    "numpy",
    "pandas",
)
# What may differ between the start of a run and its continuation, as on another machine or another number of devices:
# any number of them shares the same batches.
MAY_CHANGE = {
    "title",
    "resume",
    "report",
    "run_dir",
    "logger",
    "data.manifest",
    "data.root",
    "data.workers",
    "data.cache",
    "bank",
}
MAY_CHANGE |= {f"trainer.{name}" for name in ("accelerator", "devices", "num_nodes", "strategy", "sync_batchnorm")}


@dataclass(frozen=True)
class Run:
    """A run folder with its resolved config and its manifest (every frame that it used, with its split)."""

    dir: Path
    config: DictConfig
    manifest: pd.DataFrame

    @property
    def findings(self) -> list[str]:
        return list(self.config.data.findings)

    @property
    def last(self) -> Path:
        return self.dir / "checkpoints" / "last.ckpt"

    @property
    def best(self) -> Path:
        return self.dir / "checkpoints" / "best.ckpt"

    @property
    def adapted(self) -> Path:
        """The best weights after what the adaptation methods did to them; only where they did anything."""
        return self.dir / "checkpoints" / "adapted.ckpt"

    @property
    def adaptation(self) -> dict[str, dict]:
        """The adaptation methods and their settings, {} for none."""
        return OmegaConf.to_container(self.config.get("adaptation") or OmegaConf.create({}))

    def frames(self, split: str) -> pd.DataFrame:
        """Return the manifest's rows of one split."""
        return self.manifest[self.manifest["split"] == split].reset_index(drop=True)

    def facts(self) -> dict:
        """Return versions, commit and fingerprint as they were when the run began."""
        return self._read_json("facts.json")

    def trust(self) -> dict:
        """Return what was fitted on the validation patients, `evaluation.trust.fit_trust`."""
        trust = self._read_json("trust.json")
        if not isinstance(trust, dict) or not isinstance(trust.get("thresholds"), dict):
            raise UserError(f"{self.dir / 'trust.json'} is damaged; go on with resume=auto.")
        return trust

    @property
    def weights(self) -> Path:
        """The checkpoint that the run is used by: the adapted one where there is one, else the best."""
        return self.adapted if self.adapted.exists() else self.best

    def fingerprint(self) -> str:
        """Return what tells the trained model from others: the SHA-256 of its weights."""
        try:
            with self.weights.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            raise UserError(f"there is no checkpoint {self.weights}; was the training finished?") from None

    def learner(self) -> FrameLearner:
        """Return the trained model with the best validation score, adapted where it was, in evaluation mode."""
        file = self.weights
        model = OmegaConf.to_container(self.config.model) | {"pretrained": False, "weights": None}
        learner = FrameLearner(findings=self.findings, image_size=self.config.data.image_size, **model)
        try:
            state = load_checkpoint(file)["state_dict"]  # the weights of an adaptation method served training only
            learner.load_state_dict({name: tensor for name, tensor in state.items() if name.startswith("network.")})
        except (KeyError, RuntimeError):
            raise UserError(f"{file} is not the model that {self.dir / 'config.yaml'} describes.") from None
        return learner.eval()

    def _read_json(self, name: str) -> dict:
        try:
            return json.loads((self.dir / name).read_text())
        except (OSError, ValueError):
            raise UserError(
                f"{self.dir} is not a finished run ({name} is missing or damaged); go on with resume=auto."
            ) from None


def start_run(directory: str | Path, config: DictConfig, manifest: pd.DataFrame, *, resume: str | None) -> Run:
    """Make a new run folder, or check that an unfinished one can be gone on with (`resume="auto"`).

    Raises UserError where the folder holds a run and may not be touched, or where the settings or the manifest differ.
    """
    run = Run(Path(directory), config, manifest)
    if resume not in (None, "auto"):
        raise UserError(f"resume={resume!r} is not known; use resume=auto, or leave it out.")
    if (run.dir / "config.yaml").exists():
        if resume is None:
            raise UserError(f"{run.dir} holds a run already; add resume=auto to go on with it, or change run_dir.")
        _check_same(run, read_run(run.dir))
        return run
    write_manifest(manifest, run.dir / "manifest.parquet")
    write_json(_facts(manifest), run.dir / "facts.json")
    with atomic(run.dir / "config.yaml") as temporary:  # last: its presence says that the folder is a run
        OmegaConf.save(config, temporary, resolve=True)
    return run


def resume_restarted() -> str | None:
    """Return "auto" where SLURM (requeue) or torchrun (--max-restarts) began this job again, so that it goes on."""
    again = (os.environ.get(name, "0") for name in ("SLURM_RESTART_COUNT", "TORCHELASTIC_RESTART_COUNT"))
    return "auto" if any(count != "0" for count in again) else None


def read_run(directory: str | Path) -> Run:
    """Read a run folder. UserError where it is none."""
    directory = Path(directory)
    file = directory / "config.yaml"
    if not (file.is_file() and (directory / "manifest.parquet").is_file()):
        raise UserError(f"{directory} is not a run (no config.yaml and manifest.parquet); give a training's run_dir.")
    return Run(directory, read_config(file), read_manifest(directory / "manifest.parquet"))


def read_config(file: Path) -> DictConfig:
    """Read the config of a run. UserError where it is damaged."""
    try:
        config = OmegaConf.load(file)
        damaged = OmegaConf.select(config, "data.findings") is None
    except (YAMLError, OSError, OmegaConfBaseException):
        damaged = True
    if damaged:
        raise UserError(f"{file} is damaged; it is not the config of a run.")
    return config


def _check_same(new: Run, old: Run) -> None:
    if fingerprint(new.manifest) != fingerprint(old.manifest):
        raise UserError(f"the manifest or its split is not the one that {old.dir} began with; change run_dir.")
    if changed := changed_settings(*(flat_settings(run.config) for run in (old, new))):
        raise UserError(f"{old.dir} began with other settings ({', '.join(changed)}); use the same, or change run_dir.")


def changed_settings(before: dict, after: dict) -> list[str]:
    """Name the settings in which two flat configs differ, but for those that may."""
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return [key for key in changed if key not in MAY_CHANGE and not key.startswith("trust.")]


def flat_settings(config: DictConfig) -> dict:
    """Return the resolved settings of a config by their full names, such as trainer.max_epochs."""
    return _flat(OmegaConf.to_container(config, resolve=True))


def _flat(tree: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def _facts(manifest: pd.DataFrame) -> dict:
    git = [
        "git",
        "-C",
        str(Path(__file__).parent),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--match=-",
    ]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or None
    versions = {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}
    return {"commit": commit, "versions": versions, "manifest_fingerprint": fingerprint(manifest)}
