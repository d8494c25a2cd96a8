"""The grid of trainings from source to target capsules: which there are, where they go, and what each is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from hydra.core.override_parser.types import Quote, QuotedString

from capsight.adaptation.methods import METHODS
from capsight.data.target import split_devices
from capsight.errors import UserError

PLAIN = ("none", "longer")  # the source's model as it is, and trained on for as long as an adaptation takes


@dataclass(frozen=True)
class Training:
    """One run of the grid; without a target it is the training on the source, which the others begin with."""

    source: tuple[str, ...]
    seed: int
    target: str | None = None
    method: str = "none"
    labelled: int = 0
    loss: str | None = None
    variant: str = ""

    @property
    def folder(self) -> Path:
        """Where the run goes, below the grid's folder."""
        source = _one_folder("+".join(self.source)) + (f",{self.loss}" if self.loss else "")
        if self.target is None:
            return Path("sources", source, f"seed_{self.seed}")
        pair = f"{source} to {_one_folder(self.target)}"
        method = self.method + (f",{self.variant}" if self.variant else "")
        return Path("cells", pair, method, f"{self.labelled}_labelled", f"seed_{self.seed}")

    @property
    def begins_with(self) -> "Training | None":
        return None if self.target is None else Training(self.source, self.seed, loss=self.loss)

    @property
    def trains(self) -> bool:
        names = self.method.split("+")
        return self.target is None or "longer" in names or any(METHODS[n].trains for n in names if n not in PLAIN)

    def settings(self, out: Path, adapting: Sequence[str]) -> list[str]:
        """Return what scripts/train.py is told, beside what holds for the whole grid."""
        sources = ",".join(quoted(device) for device in self.source)
        told = [f"seed={self.seed}", f"data.split.source=[{sources}]", f"run_dir={quoted(out / self.folder)}"]
        if self.loss:
            told.append(f"model.loss.objective={self.loss}")
        if self.target is None:
            return told
        names = [name for name in self.method.split("+") if name not in PLAIN] or ["none"]
        told += [f"adaptation=[{','.join(names)}]", f"data.split.target={quoted(self.target)}"]
        told += [f"data.split.labelled={self.labelled}", f"start={quoted(out / self.begins_with.folder)}"]
        told += adapting if self.trains else ["trainer.max_epochs=0"]
        return told + ([self.variant] if self.variant else [])

    def cell(self) -> dict:
        """Return what shift.json says of a run with a target."""
        return {
            "source": list(self.source),
            "target": self.target,
            "adaptation": self.method,
            "k": self.labelled,
            "seed": self.seed,
            "settings": self.variant,
            "run": self.folder.as_posix(),
            "source_run": self.begins_with.folder.as_posix(),
        } | ({"objective": self.loss} if self.loss else {})


def plan(devices: Sequence[str], grid: dict) -> list[Training]:
    """List the runs with a target; each stands once. UserError for a grid that makes no sense."""
    targets = grid["targets"] or sorted(devices)
    cells = []
    for target in targets:
        sources = _sources(grid["sources"], target, devices)
        if grid["targets"] and not sources:
            raise UserError(f"grid.sources={grid['sources']} leaves no source beside the target {target}; give others.")
        for source in sources:
            for method in dict.fromkeys(["none", *grid["methods"]]):  # what a method wins is told against none
                for labelled in _labelled(method, grid["labelled"]):
                    for loss in grid["losses"] or [None]:
                        for variant in (grid["variants"] or {}).get(method) or [""]:
                            for seed in grid["seeds"]:
                                cells.append(Training(source, seed, target, method, labelled, loss, variant))
    if not cells:
        raise UserError("the grid is empty: no source is left beside its target.")
    return list(dict.fromkeys(cells))


def check_plan(cells: Sequence[Training], table: pd.DataFrame, findings: Sequence[str], split: dict) -> None:
    """Make every split of the grid, so that what cannot be had is said before anything is trained."""
    split = {key: value for key, value in split.items() if key not in ("source", "target", "labelled")}
    splits = {(cell.source, cell.target, cell.labelled) for cell in cells}  # what can be had is the same for all seeds
    for source, target, labelled in sorted(splits):
        used = split_devices(table, findings, source=source, target=target, labelled=labelled, **split)
        if (used.loc[used["split"] == "test", list(findings)].nunique() < 2).all():
            raise UserError(
                f"no finding has frames with and without it among the test patients of the target {target}, so "
                "nothing could be measured on it; choose another target, or other data.findings."
            )


def _sources(sources, target: str, devices: Sequence[str]) -> list[tuple[str, ...]]:
    others = [device for device in sorted(devices) if device != target]
    if sources == "others":
        return [tuple(others)] if others else []
    if sources == "single":
        return [(device,) for device in others]
    if not isinstance(sources, list) or not all(_is_source(source) for source in sources):
        raise UserError(
            f"grid.sources={sources} is not known; give others, single, or lists of devices, each once, as in "
            "[[A,B],[C]]."
        )
    return [tuple(source) for source in sources if target not in source]


def _is_source(source) -> bool:
    named = isinstance(source, list) and bool(source) and all(isinstance(device, str) for device in source)
    return named and len(set(source)) == len(source)


def _labelled(method: str, numbers: Sequence[int]) -> list[int]:
    names = [name for name in method.split("+") if name not in PLAIN]
    if unknown := [name for name in names if name not in METHODS]:
        raise UserError(f"grid.methods names {unknown[0]}, which is not known; choose {', '.join([*PLAIN, *METHODS])}.")
    if not any(METHODS[name].needs_labels for name in names):
        return [0]
    if not (above := [k for k in numbers if k]):
        raise UserError(
            f"grid.methods names {method}, which needs labelled frames; give grid.labelled a number above 0."
        )
    return above


def quoted(text: str | Path) -> str:
    """Return a text as Hydra takes it, whatever stands in it, such as blanks, commas and brackets."""
    return QuotedString(str(text), Quote.single).with_quotes()


def _one_folder(name: str) -> str:
    """Return a device's name as a part of a path: it comes from data, and must not lead anywhere else."""
    return name.replace("/", "_").replace("..", "__")
