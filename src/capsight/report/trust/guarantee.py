"""What was promised about new patients, and whether it is kept on each device; a broken promise is said loudly."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial

from capsight.evaluation.trust.conformal import guarantee
from capsight.report import plots, trust_plots
from capsight.report.tables import NO_REASON, Interval, counted
from capsight.report.trust.parts import (
    Alarm,
    Answer,
    Picture,
    Place,
    Question,
    at,
    cannot,
    capital,
    dot_rows,
    measured,
    nearest,
    of_100,
    table,
    uncapital,
    with_bounds,
)
from capsight.report.words import listed

KEY = "conformal"
MISSED, COVERED = 0.10, 0.90  # the promises that are told about, or those closest to them
SIDES = {"coverage_positive": "frames with it", "coverage_negative": "frames without it"}
STATUS = {"holds": "kept", "not shown": "not shown", "broken": "broken", None: "not measured"}
EXPLANATION = (
    "From the validation patients follow two promises about new patients, on average over patients: a threshold that "
    "misses at most so many of the frames with the finding; and an answer, yes, no or undecided, that is right or "
    "undecided for at least so many frames. They are good only for patients and devices like those of the validation. "
    "Not shown: on the wrong side, but the interval reaches the promise, so these patients are too few to "
    "tell. Broken: the whole interval is on the wrong side."
)


def promises(spots: Sequence[Place], colours: Sequence[tuple[str, str]]) -> Question:
    """Answer what was promised, and what came of it, for every finding at every place."""
    return Question(
        anchor="trust-guarantee",
        title="What is promised, and is it kept?",
        explanation=EXPLANATION,
        answers=[_answer(spots, *finding) for finding in colours],
        alarms=[alarm for place in spots if (alarm := _alarm(place, [name for name, _ in colours]))],
        picture=_picture(spots, colours),
        more="Every promise, and every device",
        table=table(spots, colours, _columns(spots, colours)),
    )


def _answer(spots: Sequence[Place], finding: str, colour: str) -> Answer:
    groups = _by_status(spots[1:] or spots, finding)
    worst = next(status for status in groups if groups[status])
    verdict = f"{capital(STATUS[worst])}."
    details = []
    if len(spots) > 1:
        everywhere = len(groups[worst]) == len(spots) - 1
        verdict = f"{capital(STATUS[worst])} on {'every device' if everywhere else listed(groups[worst])}."
        rest = [f"{STATUS[status]} on {listed(names)}" for status, names in groups.items() if names and status != worst]
        details = [f"Else {'; '.join(rest)}."] if rest else []
    return Answer(finding, colour, verdict, [_missed(spots[0], finding), _covered(spots[0], finding)], details)


def _missed(place: Place, finding: str) -> str:
    blocks = at(place.block, KEY, finding, "missed")
    level = nearest(blocks, MISSED)
    missed, price = measured(blocks, level, "missed"), measured(blocks, level, "specificity")
    if missed.value is None:
        return f"Missed findings: {uncapital(cannot(missed.reason))}"
    told = f"Missed: {with_bounds(missed, of='of 100 frames with it')}, at most {_said(level)} promised"
    told = f"{told}: {_verdict(at(blocks, level))}."
    if price.value is None:
        return told
    return f"{told} The price: {of_100(1 - price.value)} false alarms in 100 frames without it."


def _covered(place: Place, finding: str) -> str:
    blocks = at(place.block, KEY, finding, "sets")
    level = nearest(blocks, COVERED)
    sides = {side: measured(blocks, level, key) for key, side in SIDES.items()}
    known = [with_bounds(number, of=f"of 100 {side}") for side, number in sides.items() if number.value is not None]
    if not known:
        return f"Right or undecided: {uncapital(cannot(next(iter(sides.values())).reason))}"
    told = f"Right or undecided: {listed(known)}, at least {_said(level)} promised: {_verdict(at(blocks, level))}."
    undecided = measured(blocks, level, "undecided")
    return f"{told} Undecided: {of_100(undecided.value)} of 100." if undecided.value is not None else told


def _verdict(block: dict) -> str:
    status = block.get("guarantee")
    return STATUS[status] if status else f"whether that is kept cannot be said ({block.get('reason') or NO_REASON})"


def _by_status(spots: Sequence[Place], finding: str) -> dict[str | None, list[str]]:
    """Group the places by the worse of both promises, the worst first."""
    groups = {"broken": [], "not shown": [], None: [], "holds": []}
    for place in spots:
        statuses = [block.get("guarantee") for block in _told(place, finding).values()]
        groups[next(status for status in groups if status in statuses)].append(place.name)
    return groups


def _told(place: Place, finding: str) -> dict[str, dict]:
    """Return the blocks of the two promises that are told about."""
    kinds = {"missed": MISSED, "sets": COVERED}
    blocks = {kind: at(place.block, KEY, finding, kind) for kind in kinds}
    return {kind: at(block, nearest(block, kinds[kind])) for kind, block in blocks.items()}


def _alarm(place: Place, findings: Sequence[str]) -> Alarm | None:
    """Say loudly where promises are broken, and by how much; None where none is."""
    grounds = [f"{finding}: {'; '.join(broken)}." for finding in findings if (broken := _broken(place, finding))]
    where = capital(f"{place.where}, not in training," if place.unseen else place.where)
    told = f"{where} the promise does not hold for {len(grounds)} of {counted(len(findings), 'finding')}:"
    return Alarm(f"{told} do not rely on it there.", grounds) if grounds else None


def _broken(place: Place, finding: str) -> list[str]:
    told = []
    block = at(place.block, KEY, finding)
    if level := _first_broken(at(block, "missed"), MISSED):
        number = measured(block, "missed", level, "missed")
        many = with_bounds(number, of="of 100 frames with it") if number.value is not None else "too many"
        told.append(f"missed {many}, at most {_said(level)} promised")
    if level := _first_broken(at(block, "sets"), COVERED):
        sides = {side: measured(block, "sets", level, key) for key, side in SIDES.items()}
        broken = {side: number for side, number in sides.items() if _is_broken(number, float(level))}
        few = [with_bounds(number, of=f"of 100 {side}") for side, number in broken.items()] or ["too few"]
        told.append(f"right or undecided on only {listed(few)}, at least {_said(level)} promised")
    return told


def _first_broken(blocks: dict, target: float) -> str:
    """Return the broken promise that is closest to the one that is told about, "" where none is."""
    return nearest({level: b for level, b in blocks.items() if at(blocks, level).get("guarantee") == "broken"}, target)


def _said(level: str) -> str:
    return of_100(float(level))


def _is_broken(number: Interval, target: float, *, at_most: bool = False) -> bool:
    return number.has_bounds and guarantee(asdict(number), target, at_most=at_most)["guarantee"] == "broken"


def _picture(spots: Sequence[Place], colours: Sequence[tuple[str, str]]) -> Picture | None:
    blocks = [at(spots[0].block, KEY, finding) for finding, _ in colours]
    missed = next((level for block in blocks if (level := nearest(at(block, "missed"), MISSED))), "")
    covered = next((level for block in blocks if (level := nearest(at(block, "sets"), COVERED))), "")
    panels = []
    if missed:
        panels.append((("missed", missed, "missed"), f"Missed: ≤\u00a0{_said(missed)} %", float(missed), True))
    for side, said in SIDES.items() if covered else ():
        title = f"Right or undecided, {said.removeprefix('frames ')}: ≥\u00a0{_said(covered)} %"
        panels.append((("sets", covered, side), title, float(covered), False))
    rows = dot_rows(spots, colours, partial(_row, panels=panels))
    if not rows:
        return None
    drawn = [trust_plots.DotPanel(title, line, "below" if at_most else "above") for _, title, line, at_most in panels]
    caption = (
        "The green side of the dashed line is what was promised; bars hold 95 %. Red: the whole interval is on the "
        f"wrong side, so the promise is broken. Diamond: {spots[0].where}. Hollow: not in training."
    )
    alt = "Dots with 95 % intervals: realised rates beside the promised ones, for each finding and device."
    return Picture(plots.data_uri(trust_plots.dot_panels(drawn, rows)), alt, caption)


def _row(place: Place, finding: str, colour: str, panels: Sequence[tuple]) -> trust_plots.Row:
    numbers = [measured(place.block, KEY, finding, *path) for path, *_ in panels]
    alarming = [_is_broken(n, line, at_most=most) for n, (_, _, line, most) in zip(numbers, panels, strict=True)]
    remarks = [
        "" if n.value is None else f"{of_100(n.value)} %{'  broken' if alarm else ''}"
        for n, alarm in zip(numbers, alarming, strict=True)
    ]
    label = finding if place.overall else place.label
    return trust_plots.Row(label, colour, place.overall, place.unseen, numbers, remarks, alarming)


def _columns(spots: Sequence[Place], colours: Sequence[tuple[str, str]]) -> dict[str, Callable[[Place, str], Interval]]:
    def number(place: Place, finding: str, path: Sequence[str]) -> Interval:
        return measured(place.block, KEY, finding, *path)

    blocks = [at(place.block, KEY, finding) for place in spots for finding, _ in colours]
    paths, told = {}, nearest(dict.fromkeys(_levels(blocks, "missed"), {}), MISSED)
    for level in _levels(blocks, "missed"):
        paths[f"Missed, ≤\u00a0{_said(level)}\u00a0%"] = ("missed", level, "missed")
        if level == told:
            paths[f"Specificity at {_said(level)}\u00a0%"] = ("missed", level, "specificity")
    for side, said in SIDES.items():
        for level in _levels(blocks, "sets"):
            paths[f"Right or undecided, {said}, ≥\u00a0{_said(level)}\u00a0%"] = ("sets", level, side)
    for level in _levels(blocks, "sets"):
        paths[f"Undecided, ≥\u00a0{_said(level)}\u00a0%"] = ("sets", level, "undecided")
    return {heading: partial(number, path=path) for heading, path in paths.items()}


def _levels(blocks: Sequence[dict], kind: str) -> list[str]:
    """Return the promised rates, however few findings or devices have them."""
    levels = {level for block in blocks for level in at(block, kind) if nearest({level: {}}, 0)}
    return sorted(levels, key=float)
