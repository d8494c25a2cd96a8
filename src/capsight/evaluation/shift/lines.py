"""The cells of a line in one: their numbers over the seeds, on the target and at home."""

from collections.abc import Sequence

from capsight.evaluation.shift.cells import Cell, Line
from capsight.evaluation.shift.choosing import Chosen
from capsight.evaluation.shift.measured import Measured
from capsight.evaluation.shift.recovery import compare, noting_seeds, won_back
from capsight.evaluation.shift.statistics import STATISTICS, Statistics, intervals, mean_auroc


def summarise(line: Line, chosen: Chosen, measured: Measured) -> dict:
    """Return what shift.json says of a line: its numbers over all its seeds, and what it wins back."""
    cells = list(chosen[line].values())
    there = measured.over_seeds([measured.mean(cell) for cell in cells], line.source)
    block = line.facts() | {
        "seeds": [cell.seed for cell in cells],
        "settings": sorted({cell.settings for cell in cells}),
        "findings": _findings([measured.cells[cell] for cell in cells], line, measured),
        "mean_auroc": noting_seeds(there.interval(), len(cells)),
    }
    return block | won_back(compare(line, chosen, measured))


def summarise_home(cells: Sequence[Cell], measured: Measured) -> dict:
    """Return what the trainings on one source are worth on its own test patients, over their seeds.

    cells: some of those that began with them.
    """
    line = cells[0].line
    runs = dict.fromkeys(cell.source_run for cell in sorted(cells, key=lambda cell: cell.seed))
    homes = [measured.homes[run] for run in runs]
    known = [finding for finding in homes[0] if all(home[finding]["auroc"].value is not None for home in homes)]
    whole = measured.over_seeds([mean_auroc(home, known, measured.resamples) for home in homes], line.source)
    return {
        "source": list(line.source),
        **({"objective": line.objective} if line.objective else {}),
        "runs": list(runs),
        "findings": _findings(homes, line, measured),
        "mean_auroc": noting_seeds(whole.interval(), len(homes)),
    }


def _findings(runs: Sequence[Statistics], line: Line, measured: Measured) -> dict:
    found = {}
    for finding in runs[0]:
        over = {name: measured.over_seeds([r[finding][name] for r in runs], line.source) for name in STATISTICS}
        found[finding] = {name: noting_seeds(number, len(runs)) for name, number in intervals(over).items()}
    return found
