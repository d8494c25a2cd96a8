"""When the model says 80 %, is it 80 %? The calibration error before and after scaling, and who is too sure."""

from collections.abc import Callable, Sequence
from functools import partial

from capsight.report import plots, trust_plots
from capsight.report.tables import Interval, counted
from capsight.report.trust.parts import (
    Answer,
    Picture,
    Place,
    Question,
    at,
    cannot,
    capital,
    measured,
    named,
    of_100,
    table,
    with_bounds,
)

KEY = "calibration"
METHODS = {
    "none": "as it says",
    "temperature": "temperature scaling",
    "platt": "Platt scaling",
    "isotonic": "isotonic scaling",
}
TOLD = ("platt", "isotonic", "temperature")  # Platt's two numbers mend an offset too, and need few patients
EXPLANATION = (
    "The error is how far the model's percentages are from the truth on average, in points of a hundred. A scaling, "
    "fitted on the validation patients, changes what the model says, not what it calls positive."
)


def calibration(spots: Sequence[Place], colours: Sequence[tuple[str, str]]) -> Question:
    """Answer the question for every finding at every place."""
    shown = [name for name in METHODS if any(name in at(p.block, KEY, f) for p in spots for f, _ in colours)]
    return Question(
        anchor="trust-calibration",
        title="When the model says 80 %, is it 80 %?",
        explanation=EXPLANATION,
        answers=[_answer(spots, *finding) for finding in colours],
        picture=_before_and_after(spots[0], colours),
        more="Every scaling, and every device",
        curves=_every_scaling(spots[0], colours, shown),
        table=table(spots, colours, _columns(shown)),
    )


def _columns(methods: Sequence[str]) -> dict[str, Callable[[Place, str], Interval]]:
    def number(place: Place, finding: str, method: str, name: str) -> Interval:
        return measured(place.block, KEY, finding, method, name)

    columns = {f"Error, {METHODS[method]}": partial(number, method=method, name="ece_debiased") for method in methods}
    raw = {"Brier score": "brier", "NLL": "nll", "ECE, not debiased": "ece"}
    return columns | {heading: partial(number, method="none", name=name) for heading, name in raw.items()}


def _answer(spots: Sequence[Place], finding: str, colour: str) -> Answer:
    whole = spots[0]
    error = _error(whole, finding, "none")
    if error.value is None:
        return Answer(finding, colour, cannot(error.reason))
    told = mending(whole, finding)
    sentences = [*_surest(whole, finding), _mended(whole, finding, told)]
    elsewhere = [_elsewhere(place, finding, told) for place in spots if place.unseen]
    return Answer(finding, colour, f"Off by {_points(error)}.", sentences, elsewhere)


def _mended(place: Place, finding: str, told: str) -> str:
    if told == "none":
        return _nothing_mends(place, finding)
    error, after = _error(place, finding, "none"), _error(place, finding, told)
    chance = after.has_bounds and error.has_bounds and after.high >= error.low
    doubt = "; the intervals overlap, so the gain may be chance" if chance else ""
    return f"{capital(METHODS[told])} would bring the error to {_points(after)}{doubt}."


def mending(place: Place, finding: str) -> str:
    """Return the scaling to tell about, "none" where it leaves no smaller error.

    It is the first of TOLD that could be fitted: to choose the one that does best on these frames would flatter it.
    """
    errors = {name: _error(place, finding, name).value for name in ("none", *TOLD)}
    told = next((name for name in TOLD if errors[name] is not None), "none")
    return told if told == "none" or errors["none"] is None or errors[told] < errors["none"] else "none"


def _error(place: Place, finding: str, method: str) -> Interval:
    """Return the debiased error, which few frames do not make larger, or else the plain one."""
    debiased = measured(place.block, KEY, finding, method, "ece_debiased")
    return debiased if debiased.value is not None else measured(place.block, KEY, finding, method, "ece")


def _nothing_mends(place: Place, finding: str) -> str:
    after = [_error(place, finding, name) for name in METHODS if name != "none"]
    if any(number.value is not None for number in after):
        return "Scaling fitted on the validation patients does no better on these frames."
    return "No scaling could be fitted on the validation patients."


def _surest(place: Place, finding: str) -> list[str]:
    """Say what became of the frames where the model is surest that the finding is there."""
    known = [b for b in bins(place, finding, "none") if b.observed.value is not None]
    if not known:
        return []
    top = max(known, key=lambda b: b.predicted)
    told = f"Where it is surest, it says {of_100(top.predicted)} %, and"
    verdict = f" ({counted(top.n_frames, 'frame')}, no interval)"
    if top.observed.has_bounds:
        verdict = ": that can be believed"
        if top.predicted > top.observed.high:
            verdict = ": it says too much"
        elif top.predicted < top.observed.low:
            verdict = ": it says too little"
    return [f"{told} {with_bounds(top.observed, of='of 100 frames')} truly have it{verdict}."]


def _elsewhere(place: Place, finding: str, told: str) -> str:
    error, after = _error(place, finding, "none"), _error(place, finding, told)
    if error.value is None:
        return f"On {place.name}, not in training: {cannot(error.reason)}"
    told = f"On {place.name}, not in training, it is off by {_points(error)}"
    mended = f", by {_points(after)} after that scaling" if told != "none" and after.value is not None else ""
    return f"{told}{mended}."


def _points(error: Interval) -> str:
    return with_bounds(error, of="point" if of_100(error.value) == "1" else "points")


def bins(place: Place, finding: str, method: str) -> list[trust_plots.Bin]:
    """Return the bins of the reliability diagram, lowest probability first."""
    every = at(place.block, KEY, finding, method).get("bins") or []
    known = [
        trust_plots.Bin(b.get("n_frames") or 0, b["predicted"], measured(b, "observed"))
        for b in every
        if b.get("predicted") is not None
    ]
    return sorted(known, key=lambda b: b.predicted)


def _before_and_after(place: Place, colours: Sequence[tuple[str, str]]) -> Picture | None:
    panels = []
    for finding, colour in colours:
        told = mending(place, finding)
        methods = {"none": plots.MUTED, told: colour} if told != "none" else {"none": colour}
        series = [_series(place, finding, name, line) for name, line in methods.items()]
        if series[0].bins:
            panels.append((finding, series))
    caption = (
        f"{capital(place.where)}. On the dashed line the model's percentage is true; below it, it says too much. Grey: "
        "as the model says. Coloured: after the scaling that leaves the smallest error. Bars hold 95 %. Beneath: how "
        "many frames the model gives which percentage; the groups are made equally large."
    )
    return _picture(panels, caption)


def _every_scaling(place: Place, colours: Sequence[tuple[str, str]], methods: Sequence[str]) -> Picture | None:
    panels = [
        (plots.shorten(finding, 30), [series])
        for finding, colour in colours
        for name in methods
        if (series := _series(place, finding, name, colour)).bins
    ]
    return _picture(panels, f"{capital(place.where)}: before, and after each scaling.", across=max(2, len(methods)))


def _series(place: Place, finding: str, method: str, colour: str) -> trust_plots.Reliability:
    error = _error(place, finding, method)
    off = f", off by {of_100(error.value)}" if error.value is not None else ""
    name = named(METHODS, method).removesuffix(" scaling")
    return trust_plots.Reliability(f"{name}{off}", colour, bins(place, finding, method))


def _picture(panels: list, caption: str, across: int | None = None) -> Picture | None:
    if not panels:
        return None
    frames = max(sum(b.n_frames for b in series[0].bins) for _, series in panels)
    alt = (
        f"Reliability diagrams of {counted(frames, 'frame')}: the share that has the finding over what the model says."
    )
    return Picture(plots.data_uri(trust_plots.reliability_diagrams(panels, across)), alt, caption)
