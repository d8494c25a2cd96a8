"""What the thresholds chosen on validation patients turn into on each device."""

from collections.abc import Callable, Sequence
from functools import partial

from scipy.special import expit

from capsight.report import plots, trust_plots
from capsight.report.tables import Interval
from capsight.report.trust.parts import (
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
    with_bounds,
)
from capsight.report.words import listed

KEY = "operating_points"
TARGET = 0.90  # the one that is told about, or the one closest to it
KINDS = ("specificity", "sensitivity")
EXPLANATION = (
    "From a threshold on, a frame is called positive. It is chosen on the validation patients for a stated "
    "specificity (the share of frames without the finding that raise no alarm) or sensitivity (the share of frames "
    "with it that are found). With other patients, and most of all with another device, it becomes something else."
)


def operating_points(spots: Sequence[Place], colours: Sequence[tuple[str, str]]) -> Question:
    """Answer the question for every finding at every place."""
    return Question(
        anchor="trust-thresholds",
        title="Does a chosen threshold stay what it was?",
        explanation=EXPLANATION,
        answers=[_answer(spots, *finding) for finding in colours],
        picture=_picture(spots, colours),
        more="Every threshold, and every device",
        table=table(spots, colours, _columns(spots, colours)),
    )


def _answer(spots: Sequence[Place], finding: str, colour: str) -> Answer:
    whole, target = spots[0], _target(spots[0], finding)
    number = _becomes(whole, finding, target)
    if number.value is None:
        return Answer(finding, colour, cannot(number.reason))
    threshold = at(whole.block, KEY, finding, "specificity", target).get("threshold")
    chosen = f" (from probability {float(expit(threshold)):.2f} on)" if threshold is not None else ""
    told = f"The threshold that gave specificity {target} on the validation patients{chosen} becomes"
    told = f"{told} {with_bounds(number, _rate)} {whole.where}{_found(whole, finding, target)}."
    drifting, stays, unknown = _by_drift(spots[1:], finding, target)
    if len(spots) == 1:
        return Answer(finding, colour, "", [told])
    verdict = f"Drifts on {listed([place.name for place in drifting])}." if drifting else "Stays." if stays else ""
    loud = [place for place in drifting if place.unseen] or drifting[:1]
    others = [f"{_rate(_becomes(p, finding, target).value)} on {p.name}" for p in drifting if p not in loud]
    details = [f"Also: {listed(others)}."] if others else []
    details += [f"Stays on {listed(stays)}: the interval reaches {target}."] if stays else []
    details += [f"Cannot be said on {listed(unknown)}."] if unknown else []
    return Answer(finding, colour, verdict, [told, *(_drift(place, finding, target) for place in loud)], details)


def _by_drift(spots: Sequence[Place], finding: str, target: str) -> tuple[list[Place], list[str], list[str]]:
    """Return the places whose interval does not reach the target, the names of those whose does, and of the others."""
    drifting, stays, unknown = [], [], []
    for place in spots:
        number = _becomes(place, finding, target)
        if not number.has_bounds:
            unknown.append(place.name)
        elif number.low <= float(target) <= number.high:
            stays.append(place.name)
        else:
            drifting.append(place)
    return drifting, stays, unknown


def _drift(place: Place, finding: str, target: str) -> str:
    number = _becomes(place, finding, target)
    more = "more" if number.value < float(target) else "fewer"
    told = f"{capital(place.where)}{', not in training,' if place.unseen else ''} it becomes"
    return f"{told} {with_bounds(number, _rate)}, {more} false alarms than chosen{_found(place, finding, target)}."


def _becomes(place: Place, finding: str, target: str) -> Interval:
    return measured(place.block, KEY, finding, "specificity", target, "specificity")


def _found(place: Place, finding: str, target: str) -> str:
    found = measured(place.block, KEY, finding, "specificity", target, "sensitivity")
    return f", and finds {with_bounds(found, of='of 100 frames with it')}" if found.value is not None else ""


def _target(place: Place, finding: str) -> str:
    return nearest(at(place.block, KEY, finding, "specificity"), TARGET)


def _picture(spots: Sequence[Place], colours: Sequence[tuple[str, str]]) -> Picture | None:
    target = next((name for finding, _ in colours if (name := _target(spots[0], finding))), "")
    rows = dot_rows(spots, colours, partial(_row, target=target))
    if not rows:
        return None
    panels = [
        trust_plots.DotPanel(f"Specificity (chosen: {of_100(float(target))} %)", float(target)),
        trust_plots.DotPanel("Sensitivity at the same threshold", None),
    ]
    caption = (
        f"One threshold, and what it becomes. Dashed: what was chosen. Diamond: {spots[0].where}. Hollow: not in "
        "training. Bars hold 95 %."
    )
    alt = "Dots with 95 % intervals: specificity and sensitivity of one threshold for each finding and device."
    return Picture(plots.data_uri(trust_plots.dot_panels(panels, rows)), alt, caption)


def _row(place: Place, finding: str, colour: str, target: str) -> trust_plots.Row:
    numbers = [measured(place.block, KEY, finding, "specificity", target, kind) for kind in KINDS]
    remarks = ["" if n.value is None else f"{of_100(n.value)} %" for n in numbers]
    label = finding if place.overall else place.label
    return trust_plots.Row(label, colour, place.overall, place.unseen, numbers, remarks, [False, False])


def _columns(spots: Sequence[Place], colours: Sequence[tuple[str, str]]) -> dict[str, Callable[[Place, str], Interval]]:
    def number(place: Place, finding: str, path: Sequence[str]) -> Interval:
        return measured(place.block, KEY, finding, *path)

    paths = {}
    for chosen, other in (KINDS, KINDS[::-1]):
        blocks = [at(place.block, KEY, finding, chosen) for place in spots for finding, _ in colours]
        levels = {name: {} for block in blocks for name in block if nearest({name: {}}, 0)}
        for level in sorted(levels, key=float, reverse=True):
            paths[f"{capital(chosen)}, chosen: {level}"] = (chosen, level, chosen)
        if told := nearest(levels, TARGET):
            paths[f"{capital(other)} at {chosen} {told}"] = (chosen, told, other)
    return {heading: partial(number, path=path) for heading, path in paths.items()}


def _rate(share: float) -> str:
    return f"{share:.2f}"
