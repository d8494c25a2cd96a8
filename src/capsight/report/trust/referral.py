"""What if the physician looks at the frames that the model is least sure of? Selective prediction, in words."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from capsight.report import plots, trust_plots
from capsight.report.tables import NO_REASON, Interval, counted
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
    nearest,
    of_100,
    table,
    with_bounds,
)

KEY = "selective"
# The first that was measured is told about: to choose the one that does best on these frames would flatter it.
SCORES = {
    "threshold_distance": "distance to the threshold",
    "max_probability": "highest probability",
    "entropy": "entropy",
    "mutual_information": "mutual information",
    "embedding_distance": "embedding distance",
}
REFERRED = 0.10  # the share that is told about, or the one closest to it
EXPLANATION = (
    "The model decides the frames that it is sure of and hands the others over. It is least sure where its answer "
    "lies closest to the threshold from which it says yes. How other scores of sureness do stands below; their excess "
    "AURC is 0 for a score that knows every error."
)


def referral(spots: Sequence[Place], colours: Sequence[tuple[str, str]]) -> Question:
    """Answer the question for every finding at every place."""
    return Question(
        anchor="trust-referral",
        title="What if the physician looks at the 10 % of frames it is least sure of?",
        explanation=EXPLANATION,
        answers=[_answer(spots, *finding) for finding in colours],
        picture=_sensitivity(spots[0], colours),
        more="Risk–coverage curves of every score, and every device",
        curves=_risk(spots[0], colours),
        table=table(spots, colours, _columns(spots[0], colours)),
    )


def ranked(place: Place, finding: str) -> list[str]:
    """Return the measured scores, the one that is told about first."""
    scores = at(place.block, KEY, finding, "scores")
    found = [name for name in scores if isinstance(scores[name], dict) and "reason" not in scores[name]]
    return sorted(found, key=lambda name: list(SCORES).index(name) if name in SCORES else len(SCORES))


def _excess(place: Place, finding: str, score: str) -> Interval:
    return measured(place.block, KEY, finding, "scores", score, "excess_aurc")


def _answer(spots: Sequence[Place], finding: str, colour: str) -> Answer:
    whole, scores = spots[0], ranked(spots[0], finding)
    if not scores:
        return Answer(finding, colour, cannot(_reason(whole, finding)))
    details = [_looked_at(place, finding, scores[0]) for place in spots if place.unseen]
    excess = _excess(whole, finding, scores[0])
    if excess.value is not None:
        told = f"Least sure by {named(SCORES, scores[0])}"
        details.append(f"{told}: excess AURC {with_bounds(excess, '{:.3f}'.format)}.")
    referred = at(whole.block, KEY, finding, "scores", scores[0], "referred")
    verdict = _errors(referred, nearest(referred, REFERRED))
    return Answer(finding, colour, verdict, [_looked_at(whole, finding, scores[0])], details)


def _looked_at(place: Place, finding: str, score: str) -> str:
    """Say what is found, and which errors remain, where the least sure frames are handed over."""
    referred = at(place.block, KEY, finding, "scores", score, "referred")
    share = nearest(referred, REFERRED)
    before, after = (measured(referred, part, "sensitivity") for part in ("0.00", share))
    if after.value is None:
        return f"{'On ' + place.name + ': ' if place.unseen else ''}{cannot(after.reason)}"
    rest = at(referred, share)
    instead = f" instead of {of_100(before.value)}" if before.value is not None else ""
    found = f"it finds {with_bounds(after, of=f'of 100 {finding} frames')}{instead}"
    if before.value is not None and after.value < before.value:
        found += " (less, because it hands over many that it would have found)"
    if place.unseen:
        return f"On {place.name}, not in training, {found}. {_errors(referred, share)}".rstrip()
    kept = of_100(_kept(rest, at(referred, "0.00"), 1 - float(share)))
    wrong = f"; {rest['missed']:,} missed, {counted(rest['false_alarms'], 'false alarm')}" if _wrong(rest) else ""
    return f"On the other {kept} % of the frames {found}{wrong}."


def _kept(rest: dict, whole: dict, otherwise: float) -> float:
    """Return the share that is kept: more than asked for where frames are equally sure, and stay together."""
    return rest["n_frames"] / whole["n_frames"] if rest.get("n_frames") and whole.get("n_frames") else otherwise


def _errors(referred: dict, share: str) -> str:
    """Return "19 of 52 errors remain." """
    remain, before = _wrong(at(referred, share)), _wrong(at(referred, "0.00"))
    if remain is None:
        return ""
    of = f"{remain:,} of {counted(before, 'error')}" if before is not None else counted(remain, "error")
    return f"{of} remain{'s' if remain == 1 else ''}."


def _wrong(block: dict) -> int | None:
    known = block.get("missed") is not None and block.get("false_alarms") is not None
    return block["missed"] + block["false_alarms"] if known else None


def _reason(place: Place, finding: str) -> str:
    return at(place.block, KEY, finding, "scores").get("reason") or NO_REASON


def _columns(whole: Place, colours: Sequence[tuple[str, str]]) -> dict[str, Callable[[Place, str], Interval]]:
    """Return the excess AURC of every score, and what the score that is told about changes."""
    told = {finding: next(iter(ranked(whole, finding)), "") for finding, _ in colours}

    def kept(place: Place, finding: str, share: float, name: str) -> Interval:
        referred = at(place.block, KEY, finding, "scores", told[finding], "referred")
        return measured(referred, nearest(referred, share), name)

    columns = {f"Excess AURC, {named(SCORES, s)}": partial(_excess, score=s) for s in every_score(whole, colours)}
    for name in ("sensitivity", "specificity"):
        for share in (0.0, REFERRED):
            columns[f"{capital(name)}, {of_100(share)}\u00a0% referred"] = partial(kept, share=share, name=name)
    return columns


def every_score(place: Place, colours: Sequence[tuple[str, str]]) -> list[str]:
    """Return the scores that any finding has, always in the same order."""
    known = {score for finding, _ in colours for score in ranked(place, finding)}
    return [*(score for score in SCORES if score in known), *sorted(known - set(SCORES))]


def _sensitivity(place: Place, colours: Sequence[tuple[str, str]]) -> Picture | None:
    panels = _panels(place, colours, _referral_curve)
    if not panels:
        return None
    figure = trust_plots.score_curves(panels, "frames the physician looks at", "found on the rest", rising=True)
    caption = (
        f"{capital(place.where)}: the share of the frames with the finding that the model finds among those that it "
        "keeps. Coloured, with its 95 % band: the score that is told about above. Grey: the others."
    )
    return Picture(
        plots.data_uri(figure), "Sensitivity on the frames that are kept, over the share handed over.", caption
    )


def _risk(place: Place, colours: Sequence[tuple[str, str]]) -> Picture | None:
    panels = _panels(place, colours, _risk_curve)
    if not panels:
        return None
    figure = trust_plots.score_curves(panels, "frames the model keeps", "of these wrong", rising=False)
    caption = (
        f"{capital(place.where)}: risk–coverage curves. The lower, the better the score knows the errors; in brackets "
        "stands its excess AURC."
    )
    return Picture(plots.data_uri(figure), "Risk–coverage curves of every score.", caption)


def _panels(
    place: Place, colours: Sequence[tuple[str, str]], draw: Callable[[Place, str, str, int], trust_plots.Curve]
) -> list[tuple[str, str, list[trust_plots.Curve]]]:
    """Return per finding its curves, that of the score told about first; findings without a curve are left out."""
    order = every_score(place, colours)
    panels = []
    for finding, colour in colours:
        curves = [draw(place, finding, score, order.index(score)) for score in ranked(place, finding)]
        if curves := [curve for curve in curves if len(curve.x)]:
            panels.append((finding, colour, curves))
    return panels


def _referral_curve(place: Place, finding: str, score: str, style: int) -> trust_plots.Curve:
    referred = at(place.block, KEY, finding, "scores", score, "referred")
    shares = sorted(share for share in referred if nearest({share: {}}, 0))
    numbers = {float(share): measured(referred, share, "sensitivity") for share in shares}
    known = {share: number for share, number in numbers.items() if number.value is not None}
    y, low, high = (_floats([getattr(n, part) for n in known.values()]) for part in ("value", "low", "high"))
    return trust_plots.Curve(named(SCORES, score), style, _floats(list(known)), y, low, high)


def _risk_curve(place: Place, finding: str, score: str, style: int) -> trust_plots.Curve:
    curve = at(place.block, KEY, finding, "scores", score, "curve")
    x, y, *band = (_floats(curve.get(part) or []) for part in ("coverage", "risk", "low", "high"))
    low, high = (end if len(end) == len(x) else np.full(len(x), np.nan) for end in band)
    excess = _excess(place, finding, score).value
    name = named(SCORES, score) + (f" ({excess:.3f})" if excess is not None else "")
    return trust_plots.Curve(name, style, x, y, low, high)


def _floats(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=float)
