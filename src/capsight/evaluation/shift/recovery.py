"""The drop from source to target, and the share of it that a method wins back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capsight.evaluation.bootstrap import Interval, nothing
from capsight.evaluation.shift.cells import Line
from capsight.evaluation.shift.choosing import Chosen
from capsight.evaluation.shift.drawn import Drawn, mean
from capsight.evaluation.shift.measured import Measured

NO_DROP = "the interval of the drop reaches 0, so there may be nothing to win back"
ONE_SEED = "one seed: the interval knows of patients only"


@dataclass(frozen=True)
class Compared:
    """The mean AUROC of a line beside those that it is held against, over the seeds that all of them have."""

    target: str
    seeds: list[int]
    there: Drawn  # on the target
    before: Drawn  # on the target, the source's model as it is
    home: Drawn  # that model on its own test patients

    @property
    def gain(self) -> Drawn:
        return self.there - self.before

    @property
    def drop(self) -> Drawn:
        return self.home - self.before


def compare(line: Line, chosen: Chosen, measured: Measured) -> Compared | None:
    """Hold a line against its baseline; None where the two have no seed in common."""
    cells, baseline = chosen[line], chosen.get(line.baseline(), {})
    if not (seeds := [seed for seed in cells if seed in baseline]):
        return None

    def over(drawn: Sequence[Drawn]) -> Drawn:
        return measured.over_seeds(drawn, line.source)

    there = over([measured.mean(cells[seed]) for seed in seeds])
    before = over([measured.mean(baseline[seed]) for seed in seeds])
    return Compared(line.target, seeds, there, before, over([measured.home(baseline[seed]) for seed in seeds]))


def average(lines: Sequence[Line], chosen: Chosen, measured: Measured) -> dict | None:
    """Average lines over their targets, each counting the same; None where none can be held against a baseline.

    The share won back is the mean gain by the mean drop: a share of a small drop would count as much as one of a
    large one, and be the noisier.
    """
    compared = [one for line in lines if (one := compare(line, chosen, measured))]
    compared = [one for one in compared if not any(p.value is None for p in (one.there, one.before, one.home))]
    if not compared:
        return None
    there, before, home = (mean([getattr(one, name) for one in compared]) for name in ("there", "before", "home"))
    targets = [one.target for one in compared]
    whole = Compared("", min((one.seeds for one in compared), key=len), there, before, home)
    block = {"n_sources": len(lines[0].source), "targets": targets, "seeds": whole.seeds}
    numbers = {"mean_auroc": there, "before": before, "home": home}
    noted = {name: noting_seeds(number.interval(), len(whole.seeds)) for name, number in numbers.items()}
    return block | noted | won_back(whole)


def won_back(compared: Compared | None) -> dict:
    """Return drop, gain and the share won back; all null where there is no baseline to hold against."""
    if compared is None:
        absent = nothing("the source's model as it is was not tested with the same seeds")
        return dict.fromkeys(("drop", "gain", "recovered"), absent)
    n = len(compared.seeds)
    numbers = {"drop": compared.drop.interval(), "gain": compared.gain.interval()}
    numbers["recovered"] = share(compared.gain, compared.drop)
    return {name: noting_seeds(number, n) for name, number in numbers.items()}


def share(gain: Drawn, drop: Drawn) -> Interval:
    """Return which share of the drop the gain is; null where it is not sure that anything dropped."""
    told = drop.interval()
    if told["low"] is None:
        return nothing(told["reason"])
    if told["low"] <= 0:
        return nothing(NO_DROP)
    # A resample without a drop has no share; the interval of the drop says that there are few.
    return gain.over(Drawn(np.where(drop.values > 0, drop.values, np.nan), drop.reason)).interval()


def noting_seeds(number: Interval, seeds: int) -> Interval:
    return number | {"reason": ONE_SEED} if seeds == 1 and not number.get("reason") else number
