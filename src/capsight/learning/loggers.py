"""Where a training is logged, by name: files in the run, and nothing that is sent anywhere."""

import os
from pathlib import Path

from pytorch_lightning.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from capsight.errors import UserError

NAMES = ("csv", "tensorboard", "mlflow", "wandb")


def build_loggers(names: list[str], run_dir: str | Path) -> list[Logger]:
    """Build loggers that write below `run_dir`; csv is always the first, because the report is drawn from it.

    Raises UserError for a logger that is unknown or not installed.
    """
    if not isinstance(names, list) or any(name not in NAMES for name in names):
        said = f"[{','.join(map(str, names))}]" if isinstance(names, list) else names
        raise UserError(f"logger={said} is not possible; give a list of {', '.join(NAMES)}, as in logger=[csv,wandb].")
    return [_build(name, Path(run_dir)) for name in dict.fromkeys(["csv", *names])]


def _build(name: str, run_dir: Path) -> Logger:
    # What these packages would tell their makers of their use.
    os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", WANDB_ERROR_REPORTING="false")
    try:
        if name == "mlflow":
            store = (run_dir / "mlflow").resolve()
            return MLFlowLogger(
                "capsight",
                run_name=run_dir.name,
                tracking_uri=f"sqlite:///{store}/mlflow.db",
                artifact_location=(store / "artifacts").as_uri(),
            )
        if name == "wandb":
            return WandbLogger(run_dir.name, save_dir=run_dir, project="capsight", offline=True)
        return {"csv": CSVLogger, "tensorboard": TensorBoardLogger}[name](
            run_dir, name={"csv": "logs", "tensorboard": "tensorboard"}[name]
        )
    except ModuleNotFoundError:
        raise UserError(
            f"logger={name} needs a package that is not installed; install it with pip install 'capsight[{name}]', or "
            "leave it out."
        ) from None
