"""The statistics of all runs of a grid: what shares patients or trainings is measured under the same draws of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from capsight.evaluation.shift.cells import Cell
from capsight.evaluation.shift.drawn import Drawn, draw_seeds, mean
from capsight.evaluation.shift.statistics import Statistics, draw_together, mean_auroc, measure
from capsight.progress import track


@dataclass(frozen=True)
class Measured:
    """The statistics of all runs, and which findings enter the means of a source and a target."""

    cells: Mapping[Cell, Statistics]
    homes: Mapping[str, Statistics]  # by the folder of the training on the source
    in_mean: Mapping[tuple, list[str]]  # by source and target
    resamples: int
    seed: int  # of the draws of trainings; each source has its own

    def mean(self, cell: Cell) -> Drawn:
        """Return the mean AUROC of a cell on its target."""
        return mean_auroc(self.cells[cell], self._findings(cell), self.resamples)

    def home(self, cell: Cell) -> Drawn:
        """Return the mean AUROC over the same findings of the training that it began with, on its own patients."""
        return mean_auroc(self.homes[cell.source_run], self._findings(cell), self.resamples)

    def over_seeds(self, parts: Sequence[Drawn], source: tuple[str, ...]) -> Drawn:
        """Average over trainings on one source, which are drawn too: alike wherever they are used."""
        sources = sorted({cell.line.source for cell in self.cells})
        return mean(parts, draw_seeds(len(parts), self.resamples, self.seed + sources.index(source)))

    def _findings(self, cell: Cell) -> list[str]:
        return self.in_mean[cell.line.source, cell.line.target]


def measure_runs(cells: Sequence[Cell], findings: Sequence[str], *, resamples: int, seed: int) -> Measured:
    """Measure every run; each target has its own draws, trainings on sources share theirs, as they share patients."""
    homes = {cell.source_run: cell.home for cell in cells}
    drawn = draw_together([home.test for home in homes.values()], resamples, seed)
    at_home = {
        run: measure(home.test, patients, findings, home.trust)
        for (run, home), patients in zip(homes.items(), drawn, strict=True)
    }
    there = {cell.line.target: cell.files.test for cell in cells}
    patients = {
        target: draw_together([there[target]], resamples, seed + 1 + number)[0]
        for number, target in enumerate(sorted(there))
    }
    on_target = {
        cell: measure(cell.files.test, patients[cell.line.target], findings, cell.files.trust)
        for cell in track(cells, "Measuring the shift", total=len(cells))
    }
    without = {(tuple(one["source"]), one["target"], one["finding"]) for one in left_out(cells, findings)}
    pairs = {(cell.line.source, cell.line.target) for cell in cells}
    in_mean = {pair: [name for name in findings if (*pair, name) not in without] for pair in pairs}
    return Measured(on_target, at_home, in_mean, resamples, seed + 1 + len(there))


def left_out(cells: Sequence[Cell], findings: Sequence[str]) -> list[dict]:
    """Say which findings do not enter a mean: those without both classes on the source, or on the target."""
    told = {}
    for cell in cells:
        source, target = cell.line.source, cell.line.target
        sides = {"the source": cell.home.test, target: cell.files.test}
        for finding in findings:
            lacking = [name for name, table in sides.items() if table[f"label_{finding}"].dropna().nunique() < 2]
            if lacking:
                reason = f"not both with and without it among the test frames of {' and of '.join(lacking)}"
                told[source, target, finding] = {"source": list(source), "target": target, "finding": finding}
                told[source, target, finding]["reason"] = reason
    return list(told.values())
