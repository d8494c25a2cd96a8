"""What stands between a verb and its user: settings in, one line out when something is wrong."""

import errno
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from rich.console import Console

from capsight.errors import UserError
from capsight.notice import NOTICE

UNUSABLE = {
    getattr(errno, name) for name in ("EACCES", "EPERM", "EROFS", "EEXIST", "ENOTDIR", "EISDIR", "ENAMETOOLONG")
}
LAUNCHED = "CAPSIGHT_LAUNCHED"  # set for the processes of one training: what one says of an error is told once
CONF = Path(__file__).parents[2] / "conf"


def verb(config_name: str) -> Callable:
    """Turn `work(config)` into a command: Hydra's settings, and every user's error as one line and exit status 1.

    Where `work` returns an int, that is the exit status.
    """

    def decorate(work: Callable[[DictConfig], int | None]) -> Callable[[], None]:
        statuses, here = [], os.getpid()

        def job(config: DictConfig) -> None:
            # Caught in here, because Hydra would print lines of its own about an error that it sees. In a multirun,
            # the jobs after a failed one are still done. A job of SLURM is elsewhere: Hydra carries its error here.
            with _one_line(statuses, told_here=os.getpid() == here):
                try:
                    _refuse_new_settings(HydraConfig.get().overrides.task)
                    _quiet()
                    statuses.append(work(config) or 0)
                    Console().print(NOTICE, style="dim", highlight=False)
                finally:
                    made = Path(HydraConfig.get().runtime.output_dir)
                    with suppress(OSError):  # the folder that Hydra made, where nothing was written into it
                        made.resolve() == Path.cwd() or made.rmdir()

        def command() -> None:
            os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints composition errors itself, with its own advice
            with _one_line(statuses):
                hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(job)()
            sys.exit(max(statuses, default=0))

        return command

    return decorate


def own_config_dir() -> list[str]:
    """Return Hydra's --config-dir as this command was given it, for the commands that it starts itself."""
    sources = HydraConfig.get().runtime.config_sources if HydraConfig.initialized() else []
    return [word for one in sources if one.provider == "command-line" for word in ("--config-dir", one.path)]


@contextmanager
def _one_line(statuses: list[int], *, told_here: bool = True) -> Iterator[None]:
    """Print an error that the user can mend as one line and note status 1; let defects through.

    told_here: False where it is to be told in another process too, which is left to the caller.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        line = explain(error)
        if line is None:
            raise
        _tell(line)
        statuses.append(1)
        if not told_here:
            raise UserError(line) from None


def _tell(line: str) -> None:
    """Print an error, or leave it to the launcher of this process, which tells that of all of them in one line."""
    if LAUNCHED in os.environ and (file := os.environ.get("TORCHELASTIC_ERROR_FILE")):
        Path(file).write_text(json.dumps({"message": line, "timestamp": "0"}))
    else:
        Console(stderr=True, soft_wrap=True).print(f"error: {line}", markup=False, highlight=False)


def explain(error: BaseException) -> str | None:
    """Return what to tell the user of an error, or None where it is a defect of the program."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MissingMandatoryValue):
        return f"the setting {error.full_key} is missing; give {error.full_key}=..."
    if isinstance(error, HydraException | OmegaConfBaseException):
        # After the first line or two, Hydra tells of its internals.
        text = str(error).split("Config search path")[0].split("To append to your config")[0].split("full_key")[0]
        lines = [line.strip().rstrip(".") for line in text.splitlines() if line.strip()]
        return " ".join(lines) + ". See the files in conf/ for the settings there are."
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error.filename or 'no file named'}); free space and start again with resume=auto."
    if isinstance(error, OSError) and error.filename and error.errno in UNUSABLE:
        return f"cannot use {error.filename}: {error.strerror}; choose another folder."
    return None


def _refuse_new_settings(overrides: list[str]) -> None:
    """Refuse `+name=value`: a misspelt setting would be taken and never read. Lightning checks its own names."""
    for override in overrides:
        name = override.lstrip("+").split("=")[0]
        is_group = (CONF / name.split("@")[0]).is_dir()
        if override.startswith("+") and not is_group and not name.startswith("trainer."):
            raise UserError(f"there is no setting {name!r}; see the files in conf/ for those there are.")
        if override.startswith("~"):
            raise UserError(f"the setting {name[1:]!r} cannot be left out; give it a value.")


def _quiet() -> None:
    """Silence what other libraries print in passing; it would bury the one line that matters."""
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric|torch|timm|albumentations|pandera")
    for name in (
        "pytorch_lightning",
        "lightning_fabric",
        "lightning.pytorch",
        "huggingface_hub",
        "httpx",
        "timm",
    ):
        logging.getLogger(name).setLevel(logging.ERROR)
