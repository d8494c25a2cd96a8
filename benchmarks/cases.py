"""A case: this project and its peers at the same work on the same input. Measured, it becomes rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from apart import Failed, apart, free_mib, peak
from timing import Cost, foresee, in_turns, rounds_within

Maker = Callable[..., Callable[[], object]]

OURS = "CapSight"
PATIENCE = 60.0  # seconds: a peer that is foreseen to take longer is not tried
LIMIT = 240.0  # seconds: what takes longer is ended
BUDGET = 15.0  # seconds for the rounds of a case
FREE = 0.7  # share of the free memory that a work may take
FLOOR = 1.0  # MiB: less than this cannot be told from noise


@dataclass(frozen=True)
class Case:
    """One comparison.

    inputs: keyword arguments of every maker; a maker returns the work, () -> result, with its input ready. small: the
    inputs that change for warming up. peers: name → maker. size: what the cost grows with, or how the input is called.
    """

    name: str
    size: int | str
    inputs: dict
    small: dict
    ours: Maker
    peers: dict[str, Maker] = field(default_factory=dict)


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
            if isinstance(case.size, int):
                past[case.name, name] = [*known, costs[name]] if name in costs else notes[name]
        yield _rows(case, costs, notes, _time(case, costs))


def _foresee(known: list[Cost] | str, size: int | str, patient: bool) -> None:
    """Refuse what smaller sizes say cannot be done here."""
    if isinstance(known, str):
        raise Failed(known if known.startswith("not tried") else f"not tried: at a smaller size it {known}")
    if not known or not isinstance(size, int):
        return
    ahead, free = foresee(known, size), free_mib()
    if ahead.mib and free and ahead.mib > FREE * free:
        raise Failed(f"not tried: would need about {ahead.mib / 1024:.0f} GiB, {free / 1024:.0f} GiB are free")
    if not patient and ahead.seconds > PATIENCE:
        raise Failed(f"not tried: would take about {ahead.seconds:.0f} s")


def _weigh(case: Case, maker: Maker) -> Cost:
    free = free_mib()
    mib, seconds = apart(weigh, maker, case.inputs, case.small, limit_s=LIMIT, limit_mib=free and FREE * free)
    return Cost(case.size, seconds, mib)


def _time(case: Case, costs: dict[str, Cost]) -> dict[str, float] | str:
    """Return the median seconds of each work that was weighed, and the number of rounds, or why there are none."""
    once = {name: cost.seconds for name, cost in costs.items()}
    if list(once) == [OURS] and once[OURS] > BUDGET:  # nobody to take turns with
        return {**once, "rounds": 1}
    makers = {name: maker for name, maker in {OURS: case.ours, **case.peers}.items() if name in once}
    rounds = rounds_within(BUDGET, sum(once.values()))
    try:
        return {**apart(clock, makers, case.inputs, case.small, rounds, limit_s=2 * LIMIT), "rounds": rounds}
    except Failed as error:
        return str(error)


def weigh(maker: Maker, inputs: dict, small: dict) -> tuple[float | None, float]:
    """Return the peak MiB above the start, and the seconds. The warm-up lets libraries make what they keep."""
    maker(**inputs | small)()
    return peak(maker(**inputs))


def clock(makers: dict[str, Maker], inputs: dict, small: dict, rounds: int) -> dict[str, float]:
    """Return the median seconds of each work, timed in turns after a warm-up on a small input."""
    for maker in makers.values():
        maker(**inputs | small)()
    return in_turns({name: maker(**inputs) for name, maker in makers.items()}, rounds)


def _rows(case: Case, costs: dict[str, Cost], notes: dict[str, str], seconds: dict[str, float] | str) -> list[dict]:
    if isinstance(seconds, str):
        notes, seconds = dict.fromkeys([OURS, *case.peers], seconds) | notes, {}
    rows = []
    for peer in case.peers or {None: None}:
        ours, theirs = seconds.get(OURS), seconds.get(peer)
        ours_mib, peer_mib = (costs[name].mib if name in costs else None for name in (OURS, peer))
        rows.append(
            {
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
                "rounds": seconds.get("rounds"),
                "note": "; ".join(f"{name}: {notes[name]}" for name in (OURS, peer) if name in notes) or None,
            }
        )
    return rows
