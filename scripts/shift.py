"""Measure what happens when the capsule changes, and what closes the gap: a grid of trainings, and what they say.

python scripts/shift.py experiment=shift_phantom out=DIR
"""

from pathlib import Path

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from capsight.adaptation.methods import build_adaptation
from capsight.cli import verb
from capsight.data.manifest import read_manifest
from capsight.data.phantom import ensure_phantom
from capsight.data.vocabulary import coarse
from capsight.errors import UserError
from capsight.learning.adapting import check_adaptation
from capsight.learning.grid import Training, check_plan, plan
from capsight.learning.objective import Objective
from capsight.learning.settings import check_grid, check_left_to_grid, check_settings
from capsight.learning.trainings import alone, check_done, finished_cells, run_trainings
from capsight.report.shift_results import write_shift_results


@verb("shift")
def main(config: DictConfig) -> int:
    settings = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    check_settings(settings)
    check_grid(settings["grid"])
    check_left_to_grid(settings)
    data, grid, out = settings["data"], settings["grid"], Path(settings["out"])

    # plan: what cannot be had is said before anything is trained
    if "phantom" in data:
        ensure_phantom(data["manifest"], data["root"], **data["phantom"])
    table = coarse(read_manifest(data["manifest"]), data["findings"])
    cells = plan(sorted(table["device"].dropna().unique()), grid)
    sources = list(dict.fromkeys(cell.begins_with for cell in cells))
    check_plan(cells, table, data["findings"], data["split"])

    # trainings: on the sources first, because the others begin with their weights
    failed = {}
    if not settings["only_report"]:
        how = {"shared": _shared(), "adapting": grid["adapting"], "jobs": grid["jobs"]}
        _check_told([*sources, *cells], out, how["shared"], how["adapting"])
        with alone(out) as lock:
            failed = run_trainings(sources, out, lock=lock, what=f"Training on {len(sources)} sources", **how)
            ready = [cell for cell in cells if cell.begins_with not in failed]
            failed |= run_trainings(ready, out, lock=lock, what=f"Carrying over to {len(ready)} targets", **how)
    for training, line in failed.items():
        Console(stderr=True, soft_wrap=True).print(f"failed: {training.folder}: {line}", markup=False, highlight=False)

    # what they say, and what other grids in the same folder say
    write_shift_results(out, finished_cells(out), table, settings)
    if failed:
        raise UserError(
            f"{len(failed)} trainings failed, and the report is without them; begin again to try them anew."
        )
    return 0


def _check_told(trainings: list[Training], out: Path, shared: list[str], adapting: list[str]) -> None:
    """Read what every kind of training is told as scripts/train.py does. UserError or Hydra's where it cannot be."""
    kinds: dict[tuple, DictConfig] = {}
    for training in trainings:
        kind = (training.target is None, training.method, training.labelled > 0, training.loss, training.variant)
        if kind not in kinds:
            kinds[kind] = config = compose("train", [*shared, *training.settings(out, adapting)])
            settings = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
            check_settings(settings)
            check_adaptation(build_adaptation(settings["adaptation"]), settings)
            Objective(task=settings["model"]["task"], **settings["model"]["loss"])
        check_done(out, training, kinds[kind])


def _shared() -> list[str]:
    """Return what the user told this command that a single training understands too."""
    own = ("grid.", "out=", "only_report=", "run_dir=", "resume=", "start=", "seed=")
    return [override for override in HydraConfig.get().overrides.task if not override.startswith(own)]


if __name__ == "__main__":
    main()
