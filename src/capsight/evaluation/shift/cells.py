"""The cells of a shift grid: a model of some source devices on one target device, and the files its run left."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from capsight.errors import UserError

BASELINE = "none"  # the adaptation of the source's model as it is
NEEDED = ("source", "target", "adaptation", "k", "seed", "run", "source_run")


@dataclass(frozen=True)
class Line:
    """What is the same for cells that only differ in their seed and in the settings they are chosen among."""

    source: tuple[str, ...]
    target: str
    adaptation: str
    objective: str | None
    k: int

    @property
    def is_baseline(self) -> bool:
        return self.adaptation == BASELINE and self.k == 0

    def baseline(self) -> "Line":
        """Return the line of the source's model as it is, on the same target."""
        return Line(self.source, self.target, BASELINE, self.objective, 0)

    def facts(self) -> dict:
        """Return what shift.json says of the line."""
        told = {"source": list(self.source), "target": self.target, "adaptation": self.adaptation}
        return told | ({"objective": self.objective} if self.objective else {}) | {"k": self.k}


@dataclass(frozen=True)
class Files:
    """What a finished run left in its folder; its test is read once, when it is asked for."""

    folder: Path

    @cached_property
    def test(self) -> pd.DataFrame:
        """The predictions of the test frames, in the order of their paths."""
        return self.predictions("").sort_values("path", ignore_index=True)

    @cached_property
    def trust(self) -> dict:
        """What was fitted on the source's validation patients."""
        try:
            fitted = json.loads((self.folder / "trust.json").read_text())
        except (OSError, ValueError):
            fitted = None
        if not isinstance(fitted, dict) or not {"operating_points", "calibration"} <= fitted.keys():
            raise _unfinished(self.folder / "trust.json")
        return fitted

    def predictions(self, split: str) -> pd.DataFrame:
        """Return the predictions of `validation`, `training` or `adapt` frames; of the test frames for ""."""
        try:
            return pd.read_parquet(self.folder / split / "predictions.parquet")
        except (OSError, ValueError):
            raise _unfinished(self.folder / split / "predictions.parquet") from None

    def embedded(self, split: str) -> tuple[pd.DataFrame, np.ndarray]:
        """Return the predictions of a split and the embeddings (n, d) in the same order."""
        table, file = self.predictions(split), self.folder / split / "embeddings.npy"
        try:
            points = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise _unfinished(file) from None
        if points.ndim != 2 or len(points) != len(table):
            raise _unfinished(file)
        return table, points


@dataclass(frozen=True)
class Cell:
    """One finished run on a target, and the training on its source that it began with."""

    line: Line
    seed: int
    settings: str
    run: str
    source_run: str
    files: Files
    home: Files

    def facts(self) -> dict:
        """Return what shift.json says of the cell."""
        names = ("seed", "settings", "run", "source_run")
        return self.line.facts() | {name: getattr(self, name) for name in names}


def read_cells(cells: Sequence[Mapping], out: str | Path) -> list[Cell]:
    """Take the cells of a grid below the folder `out`. UserError where one lacks what it needs, or stands twice."""
    if not cells:
        raise UserError("no cell of the grid is finished, so there is nothing to measure.")
    read, homes = [], {}
    for cell in cells:
        if lacking := [name for name in NEEDED if name not in cell]:
            raise UserError(f"a cell of the grid lacks {', '.join(lacking)}: {dict(cell)}.")
        source = tuple(str(device) for device in cell["source"])
        line = Line(source, str(cell["target"]), cell["adaptation"], cell.get("objective"), int(cell["k"]))
        run, begun = cell["run"], cell["source_run"]
        home = homes.setdefault(begun, Files(Path(out, begun)))
        settings = str(cell.get("settings") or "")
        read.append(Cell(line, int(cell["seed"]), settings, run, begun, Files(Path(out, run)), home))
    known = {}
    for cell in read:
        key = (cell.line, cell.seed, cell.settings)
        if key in known:
            raise UserError(f"{cell.run} and {known[key].run} are the same cell of the grid; leave one out.")
        known[key] = cell
    return read


def findings_of(table: pd.DataFrame) -> list[str]:
    """Return the findings that a predictions table is about."""
    return [name.removeprefix("label_") for name in table if name.startswith("label_")]


def _unfinished(file: Path) -> UserError:
    return UserError(
        f"{file} is missing or damaged: the run is not finished; delete its metrics.json, and begin the grid again."
    )
