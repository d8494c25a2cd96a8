"""What a run and its numbers say in plain words, and what they must not be read without."""

import re
from typing import Any

import pandas as pd

from capsight.report.tables import Interval, counted, interval

FEW = 3  # patients; below it no interval over patients can be given
TOLD = 3  # findings in a sentence; the rest stand in the table


def listed(names: list[str]) -> str:
    """Return "a", "a and b", or "a, b and c"."""
    names = [str(name) for name in names]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def trained_and_tested(run: dict, metrics: dict) -> str:
    """Say in two sentences what was trained on what, and on what it was tested; the unknown is left out."""
    model = f"A {run['backbone']} model" if run.get("backbone") else "A model"
    findings = list(run.get("findings") or metrics.get("findings") or {})
    parts = [f"{model} was trained to recognise {listed(findings)}" if findings else f"{model} was trained"]
    if run.get("n_train_frames") is not None:
        parts.append(f"on {frames_of(run.get('n_train_frames'), run.get('n_train_patients'))}")
    if run.get("train_devices"):
        parts[-1] += ","
        parts.append(f"taken with {listed(run['train_devices'])}")
    size = frames_of(metrics.get("n_frames"), metrics.get("n_patients"))
    return f"{' '.join(parts)}.{_adapted(run)} It was tested on {size}{_tested_devices(run, metrics)}."


def _adapted(run: dict) -> str:
    used = run.get("adapted_to")
    if not used:
        return ""
    told = f" It was adapted to {used['device']} by {listed(used['methods'])}"
    if not used["n_frames"]:
        return f"{told}, on the frames that it is tested on and without their labels."
    labels = f"{used['n_labelled']:,} of them labelled" if used["n_labelled"] else "none of them labelled"
    return f"{told} on {frames_of(used['n_frames'], used['n_patients'])}, {labels} and none of them tested."


def frames_of(frames: int | None, patients: int | None) -> str:
    """Return "1,024 frames of 12 patients", or without the patients where none is known."""
    return counted(frames, "frame") + (f" of {counted(patients, 'patient')}" if patients else "")


def _tested_devices(run: dict, metrics: dict) -> str:
    devices, unseen = list(metrics.get("by_device") or {}), unseen_devices(run, metrics)
    if not devices:
        return ""
    told = f", taken with {listed(devices)}"
    if unseen:
        told += f"; {listed(unseen)} {'was' if len(unseen) == 1 else 'were'} not in training"
    return told


def unseen_devices(run: dict, metrics: dict) -> list[str]:
    """Return the tested devices that were not in training: as the run says, or by its training devices."""
    tested, trained = list(metrics.get("by_device") or {}), run.get("train_devices")
    told = run.get("unseen_devices") or ([name for name in tested if name not in trained] if trained else [])
    return [str(name) for name in told]


def unseen_last(run: dict, metrics: dict) -> dict:
    """Return `metrics` with the devices in an order that reads well: those in training first."""
    unseen = unseen_devices(run, metrics)
    devices = sorted((metrics.get("by_device") or {}).items(), key=lambda device: device[0] in unseen)
    return {**metrics, "by_device": dict(devices)}


def headline(name: str, measured: dict) -> dict[str, Any]:
    """Return the main numbers of a finding as {"value", "bounds", "sentences"}, all of them text."""
    auroc = interval(measured, ("auroc",))
    if auroc.value is None:
        return {"value": "–", "bounds": "", "sentences": [f"Cannot be measured: {_ended(auroc.reason)}"]}
    pairs = f"In {_percent(auroc.value)} of 100 pairs of a frame with {name} and one without, the one with it"
    sentences = [f"{pairs} gets the higher score."]
    found = interval(measured, ("sensitivity_at_specificity", "0.90"))
    if found.value is not None:
        span = f" ({_percent(found.low)} to {_percent(found.high)} %)" if found.has_bounds else ""
        sentences.append(
            f"When one in ten frames without it raises a false alarm, {_percent(found.value)} %{span} of the"
            " frames with it are found."
        )
    if not auroc.has_bounds:
        sentences.append(f"No interval: {_ended(auroc.reason)}")
    bounds = f"95 % interval {auroc.low:.2f} to {auroc.high:.2f}" if auroc.has_bounds else "no interval"
    return {"value": f"{auroc.value:.2f}", "bounds": bounds, "sentences": sentences}


def over(metrics: dict) -> str:
    """Name the devices that the headline numbers are over."""
    return "the devices of the training" if "seen_devices" in metrics else "all devices"


def on_unseen_devices(run: dict, metrics: dict) -> list[str]:
    """Compare each unseen device with the others, one sentence each: the TOLD findings that fall most."""
    sentences = []
    for device in unseen_devices(run, metrics):
        findings = ((metrics.get("by_device") or {}).get(device) or {}).get("findings") or {}
        pairs = {
            name: (interval(measured, ("auroc",)), interval(metrics["findings"].get(name), ("auroc",)))
            for name, measured in findings.items()
        }
        known = {name: pair for name, pair in pairs.items() if None not in (pair[0].value, pair[1].value)}
        if not known:
            continue
        shown = sorted(known, key=lambda name: known[name][0].value - known[name][1].value)[:TOLD]
        here = listed([f"{_with_bounds(known[name][0])} for {name}" for name in known if name in shown])
        everywhere = listed([f"{known[name][1].value:.2f}" for name in known if name in shown])
        told = f"On {device}, which was not in training, the AUROC is {here}, against {everywhere} over {over(metrics)}"
        rest = f" (the {TOLD} of {len(known)} findings that fare worst there)" if len(known) > TOLD else ""
        sentences.append(f"{told}{rest}.")
    return sentences


def _with_bounds(number: Interval) -> str:
    return f"{number.value:.2f}" + (f" ({number.low:.2f} to {number.high:.2f})" if number.has_bounds else "")


def retrieval(embedding: dict) -> str:
    """Say how often the nearest frame of another patient shows the same findings."""
    recall = interval(embedding, ("recall_at_1",))
    if recall.value is None:
        return ""
    span = f" ({_percent(recall.low)} to {_percent(recall.high)} %)" if recall.has_bounds else ""
    told = "The nearest frame of another patient shows the same findings in"
    told = f"{told} {_percent(recall.value)} %{span} of cases"
    precision = interval(embedding, ("map_at_r",))
    return f"{told}; MAP@R is {precision.value:.2f}." if precision.value is not None else f"{told}."


def means(metrics: dict) -> str:
    """Say the means over the findings, where they were measured."""
    told = []
    for name, key in (("AUROC", "mean_auroc"), ("F1", "macro_f1")):
        mean = interval(metrics, (key,))
        if mean.value is not None:
            span = f" ({mean.low:.3f} to {mean.high:.3f})" if mean.has_bounds else ""
            told.append(f"{name} {mean.value:.3f}{span}")
    return f"Mean over the findings: {listed(told)}." if told else ""


def loud_warnings(run: dict, metrics: dict, predictions: pd.DataFrame) -> list[str]:
    """Return what makes the numbers better, or surer, than they are."""
    told = []
    split = run.get("split")
    unit = split.get("by") or split.get("unit") if isinstance(split, dict) else split
    if re.fullmatch(r"(by[ _-])?frames?", str(unit).strip().lower()):
        told.append(
            "The split is by frame: frames of one patient stand in training and in test. The numbers below"
            " say how well the model recognises these patients again, not how well it works on new ones."
        )
    if "patient_from" in predictions:
        guessed = int(predictions["patient_from"].eq("neighbouring frames").sum())
        if guessed:
            told.append(
                f"The patients of {counted(guessed, 'test frame')} are guessed from neighbouring file"
                " numbers. One patient may count as several, and the intervals may be too narrow."
            )
    known = predictions["patient"].notna()
    if not known.any():
        told.append("No patient ids: patients cannot be resampled, so no number has an interval.")
    elif not known.all():
        told.append(
            f"{int((~known).sum()):,} of {counted(len(known), 'test frame')} have no patient id; the"
            " intervals treat them as one more patient."
        )
    patients = predictions["patient"].nunique()
    if 0 < patients < FEW:
        told.append(f"The test frames come from {counted(patients, 'patient')}: too few for an interval.")
    return told + _thin_findings(metrics)


def _thin_findings(metrics: dict) -> list[str]:
    thin = {
        name: measured["n_patients_positive"]
        for name, measured in (metrics.get("findings") or {}).items()
        if 0 < (measured.get("n_patients_positive") or 0) < FEW
    }
    return [
        f"Every test frame with {name} comes from {counted(patients, 'patient')}: the numbers for it say"
        " little about others."
        for name, patients in thin.items()
    ]


def _percent(share: float | None) -> str:
    return f"{100 * share:.0f}" if share is not None else "–"


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith(".") else f"{sentence}."
