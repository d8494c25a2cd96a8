"""The gallery: every explained frame as a card, and how far its maps can be believed, in one file without a network."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from capsight.report.evidence import evidence, method_name
from capsight.report.pages import write_page
from capsight.report.plots import finding_colour
from capsight.report.sections import reproduce
from capsight.report.tables import counted
from capsight.report.words import listed

Picture = str | bytes | None  # a data URI, the bytes of a picture file, or nothing to show
KINDS = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"RIFF": "webp", b"GIF8": "gif"}
SURE = 2  # standard deviations between the probability and the threshold
# What stands on a card, and the words by which the page filters. Nothing is right or wrong where nobody looked.
VERDICTS = {
    (True, 1): ("right, found", "right"),
    (False, 0): ("right, it is not there", "right"),
    (False, 1): ("wrong, missed", "wrong missed"),
    (True, 0): ("wrong, false alarm", "wrong false-alarm"),
}


@dataclass(frozen=True)
class Card:
    """One frame and one finding: what the model said, what is true, and what the maps show.

    label: 1, 0, or None where nobody looked. threshold: the probability from which on it counts as a yes.
    standard_deviation: of the probability over passes. original: the frame alone. pictures: by method. uncertainty: by
    "mean" and "spread". neighbours: nearest first, {"picture", "distance", "findings", "patient", "device"} each, with
    the findings as text; alike: what they say together, in words. What is unknown is None.
    """

    path: str
    finding: str
    probability: float | None
    threshold: float | None
    label: int | None
    original: Picture
    pictures: Mapping[str, Picture]
    patient: str | None = None
    video: str | None = None
    frame: int | None = None
    device: str | None = None
    standard_deviation: float | None = None
    uncertainty: Mapping[str, Picture] = field(default_factory=dict)
    neighbours: Sequence[Mapping[str, Any]] = ()
    alike: str = ""


def write_gallery(
    out_file: str | Path,
    cards: Sequence[Card],
    *,
    title: str,
    facts: Mapping[str, Any],
    table: Mapping[str, Any],
    notes: Sequence[str] = (),
    passes: str = "",
) -> None:
    """Write the cards and the measures of the maps as one HTML page, filtered and read by keyboard.

    facts: what one needs to make it again, by name; table: the content of explanations.json; notes: sentences to read
    first; passes: where the standard deviations come from, such as "30 dropout passes". Raises UserError where the
    file cannot be written.
    """
    layers = list(dict.fromkeys(name for card in cards for name in (*card.pictures, *card.uncertainty)))
    measured = evidence(table)
    findings = list(dict.fromkeys([*measured["findings"], *(card.finding for card in cards)]))
    colours = {finding: finding_colour(index) for index, finding in enumerate(findings)}
    shown = [_shown(card, layers, colours[card.finding], passes) for card in cards]
    write_page(
        out_file,
        "gallery.html.j2",
        title=title,
        summary=_summary(cards),
        notes=notes,
        cards=shown,
        layers=[method_name(layer) for layer in layers],
        findings=[finding for finding in findings if any(card["finding"] == finding for card in shown)],
        devices=sorted({card["device"] for card in shown}),
        has_neighbours=any(card.neighbours for card in cards),
        colours=colours,
        measured=measured,
        reproduce=reproduce(dict(facts)),
    )


def in_words(card: Card, passes: str = "") -> str:
    """Say how probable a finding is, how sure that is, and whether it is right: "polyp: 0.87: right, found"."""
    return f"{card.finding}: {''.join(_probability(card, passes))}: {_verdict(card)[0]}"


def certainty(card: Card) -> str:
    """Return "certain", "uncertain" or "unknown": whether the decision might as well have been the other.

    Uncertain is a probability within SURE standard deviations of the threshold; where there were no passes, one that is
    nearer to the threshold than to 0 or 1.
    """
    probability, threshold, spread = (
        _number(card.probability),
        _number(card.threshold),
        _number(card.standard_deviation),
    )
    if probability is None or threshold is None:
        return "unknown"
    distance = abs(probability - threshold)
    reach = SURE * spread if spread is not None else min(probability, 1 - probability)
    return "certain" if distance > reach else "uncertain"


def _verdict(card: Card) -> tuple[str, str]:
    probability, threshold, label = _number(card.probability), _number(card.threshold), _number(card.label)
    if probability is None:
        return "the model gave no probability", "unknown"
    if label is None:
        return "label unknown", "unknown"
    if threshold is None:
        return "neither right nor wrong, because no threshold was chosen", "unknown"
    return VERDICTS[probability >= threshold, int(label)]


def _probability(card: Card, passes: str) -> tuple[str, str]:
    """Return the probability and its standard deviation in words, the second empty where there is none."""
    probability, spread = _number(card.probability), _number(card.standard_deviation)
    if probability is None:
        return "no probability", ""
    if spread is None:
        return f"{probability:.2f}", ""
    return f"{probability:.2f}", f", give or take {spread:.2f}{f' ({passes})' if passes else ''}"


def _number(value: Any) -> float | None:
    """Return a finite number, or None for None, NaN, infinity and pandas' <NA>."""
    return float(value) if not pd.isna(value) and math.isfinite(value) else None


def _shown(card: Card, layers: list[str], colour: str, passes: str) -> dict[str, Any]:
    """Return what the template shows of a card: texts and data URIs."""
    pictures, threshold, label = {**card.pictures, **card.uncertainty}, _number(card.threshold), _number(card.label)
    (value, spread), (words, verdict) = _probability(card, passes), _verdict(card)
    return {
        "path": str(card.path),
        "finding": card.finding,
        "colour": colour,
        "value": value,
        "spread": spread,
        "verdict_words": words,
        "verdict": verdict,
        "certainty": certainty(card),
        "threshold": "" if threshold is None else f"{threshold:.2f}",
        "label": "nobody looked" if label is None else ("it is there" if label else "it is not there"),
        "device": _text(card.device),
        "origin": [(name, _text(getattr(card, name))) for name in ("patient", "video", "frame", "device", "path")],
        "original": _uri(card.original),
        "pictures": [_uri(pictures.get(layer)) for layer in layers],
        "neighbours": [_neighbour(neighbour) for neighbour in card.neighbours],
        "alike": card.alike,
    }


def _neighbour(neighbour: Mapping[str, Any]) -> dict[str, Any]:
    distance = _number(neighbour.get("distance"))
    return {
        "picture": _uri(neighbour.get("picture")),
        "distance": "unknown" if distance is None else f"{distance:.3g}",
        **{name: _text(neighbour.get(name)) for name in ("findings", "patient", "device")},
    }


def _text(value: Any) -> str:
    return "unknown" if pd.isna(value) else str(value)


def _uri(picture: Picture) -> str | None:
    if isinstance(picture, bytes):
        kind = next((kind for start, kind in KINDS.items() if picture.startswith(start)), None)
        return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}" if kind else None
    return picture if picture and picture.startswith("data:image/") else None


def _summary(cards: Sequence[Card]) -> str:
    """Say how many frames are shown, of whom, and how often the model is wrong on them."""
    if not cards:
        return "No frame was explained."
    frames = len({card.path for card in cards})
    patients = {card.patient for card in cards if not pd.isna(card.patient)}
    devices = sorted({str(card.device) for card in cards if not pd.isna(card.device)})
    verdicts = [_verdict(card)[1].split()[0] for card in cards]
    size = counted(frames, "frame") + (f" of {counted(len(patients), 'patient')}" if patients else "")
    made = f", taken with {listed(devices)}" if devices else ""
    answers = {"right": "right", "wrong": "wrong", "unknown": "of which that is not known"}
    told = [f"{verdicts.count(key)} {words}" for key, words in answers.items() if key in verdicts]
    return f"{size}{made}. The model gave {counted(len(cards), 'answer')}: {listed(told)}."
