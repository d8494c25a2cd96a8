"""A case: this project and its peers at the same work on the same input. Measured, it becomes rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from apart import Failed, apart, free_mib, peak
from timing import Cost, foresee, in_turns, rounds_within

Maker = Callable[..., Callable[[], object]]

OURS = "CapSight"
PATIENCE = 60.0  # seconds: a peer that is foreseen to take longer is not tried
LIMIT = 240.0  # seconds: what takes longer is ended
BUDGET = 15.0  # seconds for the rounds of a case
FREE = 0.7  # share of the free memory that a work may take
UNTRIED = "not tried"
FLOOR = 1.0  # MiB: less than this cannot be told from noise


@dataclass(frozen=True)
class Case:
    """One comparison.

    inputs: keyword arguments of every maker; a maker returns the work, () -> result, with its input ready. small: the
    inputs that change for warming up. peers: name → maker. size: what the cost grows with, or how the input is called.
    same: every work returns the same numbers, as an array or a sequence of arrays, and they are compared. alone: no
    other process takes part; else memory, which is that of one process, says nothing. remark: what the row has to say.
    """

    name: str
    size: int | str
    inputs: dict
    small: dict
    ours: Maker
    peers: dict[str, Maker] = field(default_factory=dict)
    same: bool = False
    alone: bool = True
    remark: str = ""


class Clocked(NamedTuple):
    """The median seconds of each work over some rounds, and by how much each result differs from ours."""

    seconds: dict[str, float]
    differences: dict[str, float]
    rounds: int


def measure(cases: list[Case]) -> Iterator[list[dict]]:
    """Yield the rows of each case, one for each peer."""
    past: dict[tuple[str, str], list[Cost] | str] = {}
    for case in cases:
        costs, notes = {}, {}
        for name, maker in {OURS: case.ours, **case.peers}.items():
            known = past.setdefault((case.name, name), [])
            try:
                _foresee(known, case.size, patient=name == OURS)
                costs[name] = _weigh(case, maker)
            except Failed as error:
                notes[name] = str(error)
            if isinstance(case.size, int) and name in costs:
                past[case.name, name] = [*known, costs[name]]
            elif isinstance(case.size, int) and not notes[name].startswith(UNTRIED):
                past[case.name, name] = notes[name]
        yield _rows(case, costs, notes, _time(case, costs))


def _foresee(known: list[Cost] | str, size: int | str, patient: bool) -> None:
    """Refuse what smaller sizes say cannot be done here."""
    if isinstance(known, str):
        raise Failed(f"{UNTRIED}: at a smaller size it {known}")
    if not known or not isinstance(size, int):
        return
    ahead, free = foresee(known, size), free_mib()
    if ahead.mib and free and ahead.mib > FREE * free:
        raise Failed(f"{UNTRIED}: would need about {ahead.mib / 1024:.0f} GiB, {free / 1024:.0f} GiB are free")
    if not patient and ahead.seconds > PATIENCE:
        raise Failed(f"{UNTRIED}: would take about {ahead.seconds:.0f} s")


def _weigh(case: Case, maker: Maker) -> Cost:
    free = free_mib()
    mib, seconds = apart(weigh, maker, case.inputs, case.small, limit_s=LIMIT, limit_mib=free and FREE * free)
    return Cost(case.size, seconds, mib)


def _time(case: Case, costs: dict[str, Cost]) -> Clocked | str:
    """Clock each work that could be weighed; or say why that failed."""
    once = {name: cost.seconds for name, cost in costs.items()}
    if list(once) == [OURS] and once[OURS] > BUDGET:  # nobody to take turns with
        return Clocked(once, {}, 1)
    makers = {name: maker for name, maker in {OURS: case.ours, **case.peers}.items() if name in once}
    rounds = rounds_within(BUDGET, sum(once.values()))
    try:
        return apart(clock, makers, case.inputs, case.small, rounds, case.same, limit_s=2 * LIMIT)
    except Failed as error:
        return str(error)


def weigh(maker: Maker, inputs: dict, small: dict) -> tuple[float | None, float]:
    """Return the peak MiB above the start, and the seconds. The warm-up lets libraries make what they keep."""
    maker(**inputs | small)()
    return peak(maker(**inputs))


def clock(makers: dict[str, Maker], inputs: dict, small: dict, rounds: int, same: bool) -> Clocked:
    """Time the works in turns after a warm-up on a small input, and compare their results where they are the `same`."""
    for maker in makers.values():
        maker(**inputs | small)()
    seconds, results = in_turns({name: maker(**inputs) for name, maker in makers.items()}, rounds)
    compared = [name for name in results if same and OURS in results and name != OURS]
    return Clocked(seconds, {name: difference(results[OURS], results[name]) for name in compared}, rounds)


def difference(ours: object, peer: object) -> float:
    """Return the largest difference of two results, relative to the peer's largest number; 1 for other shapes."""
    first, second = (np.concatenate([np.ravel(np.asarray(part, float)) for part in parts]) for parts in (ours, peer))
    if first.shape != second.shape:
        return 1.0
    return float(np.abs(first - second).max(initial=0) / max(np.abs(second).max(initial=0), 1e-12))


def nothing(name: str, error: Exception) -> dict:
    """Return the row of a family that could not even say what it measures."""
    line = " ".join(str(error).split())[:160]
    return _row(
        Case(name, "–", {}, {}, ours=None), None, {}, {OURS: f"{type(error).__name__}: {line}"}, Clocked({}, {}, 0)
    )


def _rows(case: Case, costs: dict[str, Cost], notes: dict[str, str], clocked: Clocked | str) -> list[dict]:
    if isinstance(clocked, str):
        notes, clocked = dict.fromkeys([OURS, *case.peers], clocked) | notes, Clocked({}, {}, 0)
    return [_row(case, peer, costs, notes, clocked) for peer in case.peers or {None: None}]


def _row(case: Case, peer: str | None, costs: dict[str, Cost], notes: dict[str, str], clocked: Clocked) -> dict:
    """Return one row as the JSON file has it; a ratio above 1 means that this project is better."""
    ours, theirs = clocked.seconds.get(OURS), clocked.seconds.get(peer)
    ours_mib, peer_mib = (costs[name].mib if case.alone and name in costs else None for name in (OURS, peer))
    said = [case.remark] if case.remark else []
    return {
        "name": case.name,
        "size": case.size,
        "ours": ours,
        "peer": theirs,
        "peer_name": peer,
        "ratio": theirs / ours if ours and theirs else None,
        "unit": "s",
        "ours_mib": ours_mib,
        "peer_mib": peer_mib,
        "leaner": None if None in (ours_mib, peer_mib) else max(peer_mib, FLOOR) / max(ours_mib, FLOOR),
        "rounds": clocked.rounds,
        "difference": clocked.differences.get(peer),
        "note": "; ".join([*said, *(f"{name}: {notes[name]}" for name in (OURS, peer) if name in notes)]) or None,
    }
