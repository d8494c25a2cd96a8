"""The Trust section: true to its numbers, loud about broken promises, and whole whatever is missing."""

import base64
import copy
import random
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from capsight.evaluation.metrics import measure
from capsight.evaluation.trust import Trust, fit_trust
from capsight.report import plots, trust_plots
from capsight.report.report import write_report
from capsight.report.tables import Interval
from capsight.report.trust.section import KEYS, trust

RUN = {"train_devices": ["A"], "unseen_devices": ["B"]}


def i(value, low=None, high=None, reason=None) -> dict:
    number = {"value": value, "low": low, "high": high}
    return number | {"reason": reason} if reason else number


def nothing(reason) -> dict:
    return i(None, reason=reason)


def method(error, bins=()) -> dict:
    number = i(error, error - 0.02, error + 0.02)
    points = [{"n_frames": 20, "predicted": p, "observed": i(*observed)} for p, observed in bins]
    return dict.fromkeys(("ece", "ece_debiased", "brier", "nll"), number) | {"bins": points}


def rest(sensitivity, missed, alarms, n_frames) -> dict:
    counts = {"n_frames": n_frames, "missed": missed, "false_alarms": alarms}
    return counts | {"sensitivity": i(sensitivity, sensitivity - 0.1, sensitivity + 0.05), "specificity": i(0.9)}


def score(excess) -> dict:
    curve = {"coverage": [0.5, 1.0], "risk": [0.1, 0.2], "low": [0.0, 0.1], "high": [0.2, None]}
    referred = {"0.00": rest(0.75, 10, 20, 200), "0.10": rest(0.85, 4, 9, 180)}
    return {"aurc": i(0.1), "excess_aurc": i(excess, 0.0, 0.1), "curve": curve, "referred": referred}


def conformal(missed, coverage, status) -> dict:
    return {
        "missed": {"0.10": {"threshold": -1.0, "missed": missed, "specificity": i(0.7), "guarantee": status}},
        "sets": {
            "0.90": {
                "coverage": coverage,
                "coverage_positive": coverage,
                "coverage_negative": i(0.95, 0.93, 0.97),
                "undecided": i(0.2),
                "guarantee": status,
            }
        },
    }


def block(finding, broken=False) -> dict:
    """Return the blocks of one place; the promises hold or are broken."""
    bins = [(0.1, (0.12, 0.05, 0.2)), (0.9, (0.64, 0.51, 0.75))]
    missed, coverage = (i(0.3, 0.25, 0.35), i(0.7, 0.6, 0.8)) if broken else (i(0.08, 0.05, 0.13), i(0.92, 0.88, 0.95))
    specificity = i(0.83, 0.76, 0.89) if broken else i(0.88, 0.84, 0.92)
    point = {"threshold": 0.0, "sensitivity": i(0.41, 0.3, 0.5), "specificity": specificity}
    return {
        "calibration": {finding: {"none": method(0.07, bins), "platt": method(0.02, bins)}},
        "selective": {finding: {"threshold": 0.0, "scores": {"max_probability": score(0.05), "entropy": score(0.01)}}},
        "conformal": {finding: conformal(missed, coverage, "broken" if broken else "holds")},
        "operating_points": {finding: {"specificity": {"0.90": point}, "sensitivity": {"0.90": point}}},
    }


def metrics(finding="polyp", devices=("A", "B")) -> dict:
    auroc = {
        "A": i(0.52, 0.45, 0.6),
        "B": i(0.7, 0.6, 0.8),
        "black": i(1.0, 0.99, 1.0),
        "colonoscopy": i(0.5, 0.4, 0.6),
    }
    ood = {"knn_distance": {"auroc": auroc}, "energy": {"auroc": auroc}}
    whole = {"findings": {finding: {}}, "ood": ood, **block(finding), "seen_devices": block(finding)}
    by_device = {name: block(finding, broken=name == "B") | {"ood": ood} for name in devices}
    return whole | {"by_device": by_device}


@pytest.fixture
def no_plots(monkeypatch):
    """Drawing takes nearly all the time, and most tests are about words."""
    monkeypatch.setattr(plots, "data_uri", lambda figure: "data:image/svg+xml;base64,")
    for name in ("reliability_diagrams", "score_curves", "dot_panels"):
        monkeypatch.setattr(trust_plots, name, lambda *_, **__: None)


def text(measured, run=RUN) -> dict[str, str]:
    """Return all that is said, by the anchor of its question."""
    said = {}
    for question in trust(run, measured):
        answers = [" ".join([a.name, a.verdict, *a.sentences, *a.details]) for a in question.answers]
        alarms = [" ".join([a.sentence, *a.grounds]) for a in question.alarms]
        said[question.anchor.removeprefix("trust-")] = " ".join([*alarms, *answers])
    return said


def test_numbers_stand_in_plain_words(no_plots):
    said = text(metrics())
    for anchor, words in (
        ("calibration", "Off by 7 points (5 to 9)."),
        ("calibration", "it says 90 %, and 64 of 100 frames (51 to 75) truly have it: it says too much"),
        ("calibration", "Platt scaling would bring the error to 2 points (0 to 4)."),
        ("referral", "13 of 30 errors remain."),
        ("referral", "On the other 90 % of the frames it finds 85 of 100 polyp frames (75 to 90) instead of 75"),
        ("referral", "4 missed, 9 false alarms"),
        ("referral", "Least sure by highest probability: excess AURC 0.050 (0.000 to 0.100)."),
        ("guarantee", "Missed: 8 of 100 frames with it (5 to 13), at most 10 promised: kept."),
        ("guarantee", "The price: 30 false alarms in 100 frames without it."),
        ("likeness", "Familiar, as they should be. Of 100 pairs 52 on A."),
        ("likeness", "B Only in part. 70 of 100 pairs (60 to 80)."),
        ("likeness", "Black frames Clearly. 100 of 100 pairs (99 to 100)."),
        ("likeness", "Colonoscopy-like images No. 50 of 100 pairs (40 to 60)."),
        ("thresholds", "gave specificity 0.90 on the validation patients (from probability 0.50 on) becomes 0.88"),
        ("thresholds", "On B, not in training, it becomes 0.83 (0.76 to 0.89), more false alarms than chosen"),
        ("thresholds", "finds 41 of 100 frames with it (30 to 50)"),
    ):
        assert words in said[anchor]


def test_a_broken_promise_is_said_loudly_and_only_where_it_is_broken(no_plots):
    (alarm,) = next(q for q in trust(RUN, metrics()) if q.anchor == "trust-guarantee").alarms
    assert alarm.sentence.startswith("On B, not in training, the promise does not hold for 1 of 1 finding")
    assert "do not rely on it there" in alarm.sentence
    (ground,) = alarm.grounds
    assert "missed 30 of 100 frames with it (25 to 35), at most 10 promised" in ground
    assert "right or undecided on only 70 of 100 frames with it (60 to 80), at least 90 promised" in ground
    assert "Broken on B." in text(metrics())["guarantee"]


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        ("holds", None, "promised: kept."),
        ("not shown", None, "promised: not shown."),
        ("broken", None, "promised: broken."),
        (None, "fewer than three patients", "whether that is kept cannot be said (fewer than three patients)"),
    ],
)
def test_every_state_of_a_promise_has_its_words(no_plots, status, reason, words):
    measured = metrics(devices=("A",))
    for promise in (p for kind in measured["seen_devices"]["conformal"]["polyp"].values() for p in kind.values()):
        promise |= {"guarantee": status, "reason": reason}
    said = text(measured)["guarantee"]
    assert said.count(words) == 2
    assert ("do not rely on it" in said) == (status == "broken")


def test_the_scaling_that_is_told_about_is_not_chosen_on_the_tested_frames(no_plots):
    measured = metrics()
    measured["seen_devices"]["calibration"]["polyp"]["isotonic"] = method(0.01)
    assert "Platt scaling would bring the error to 2 points" in text(measured)["calibration"]
    for name in ("platt", "isotonic"):
        measured["seen_devices"]["calibration"]["polyp"][name] = method(0.08)
    assert "Scaling fitted on the validation patients does no better" in text(measured)["calibration"]
    del measured["seen_devices"]["calibration"]["polyp"]["platt"]
    measured["seen_devices"]["calibration"]["polyp"]["isotonic"] = method(0.01)
    assert "Isotonic scaling would bring the error to 1 point" in text(measured)["calibration"]


def test_an_overlap_of_the_intervals_is_not_hidden(no_plots):
    measured = metrics()
    measured["seen_devices"]["calibration"]["polyp"]["platt"] = method(0.06)
    assert "the gain may be chance" in text(measured)["calibration"]


def test_nothing_measured_leaves_no_section():
    assert trust({}, {"findings": {"polyp": {}}}) == []
    assert trust({}, {"findings": {"polyp": {}}, "calibration": {}, "ood": {}}) == []


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("left", [None, {"reason": "nobody looked"}, "absent"])
def test_a_missing_key_is_said_in_words_and_the_others_stand(no_plots, key, left):
    measured = metrics()
    for part in (measured, measured["seen_devices"], *measured["by_device"].values()):
        part.pop(key, None)
        if left != "absent":
            part[key] = left
    said = text(measured)
    reason = "nobody looked" if isinstance(left, dict) else "not measured"
    anchor = dict(zip(KEYS, ("calibration", "referral", "guarantee", "likeness", "thresholds"), strict=True))[key]
    assert f"annot be said: {reason}." in said[anchor]
    assert sum("annot be said" in words for words in said.values()) == 1


def prune(node, rng) -> None:
    """Replace some parts of a block by what a measurement may leave in their place."""
    for key, value in node.items():
        parts = value if isinstance(value, list) else [value]
        for part in (part for part in parts if isinstance(part, dict)):
            prune(part, rng)
        if not isinstance(value, list) and rng.random() < 0.06:
            of_dict = [None, {"reason": "too few"}, nothing("too few")]
            of_number = [None, float("nan")] if key in ("value", "low", "high") else [None]
            node[key] = rng.choice(of_dict if isinstance(value, dict) else of_number)


def pruned(seed) -> dict:
    measured, rng = metrics(), random.Random(seed)
    for part in (measured, measured["seen_devices"], *measured["by_device"].values()):
        for key in KEYS:
            prune(part.get(key, {}), rng)
    return measured


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_missing_there_are_words_without_none_or_nan(no_plots, seed):
    said = " ".join(text(pruned(seed)).values())
    assert not {"None", "nan", "inf"} & set(said.replace(".", " ").replace(",", " ").split())


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_missing_the_rest_can_be_drawn(monkeypatch, seed):
    monkeypatch.setattr(plots, "data_uri", lambda figure: figure.canvas and "data:image/svg+xml;base64,")
    assert len(trust(RUN, pruned(seed))) == 5


class Page(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def predictions(findings, devices, patients=36, frames=6) -> pd.DataFrame:
    rng, n = np.random.default_rng(0), patients * frames
    patient = np.repeat(np.arange(patients), frames)
    columns = {"path": [f"{row}.png" for row in range(n)], "patient": [f"p{p}" for p in patient], "video": pd.NA}
    columns |= {"device": [devices[p % len(devices)] for p in patient]}
    for finding in findings:
        label = rng.random(n) < 0.4
        logit = 2 * label + rng.normal(size=n) - 1
        columns |= {f"label_{finding}": pd.array(label.astype(int), dtype="Int8"), f"logit_{finding}": logit}
        columns[f"probability_{finding}"] = 1 / (1 + np.exp(-logit))
    names = dict.fromkeys(("knn_distance", "mahalanobis_distance", "energy"))
    columns |= {name: rng.normal(size=n) for name in names}
    return pd.DataFrame(columns).astype(dict.fromkeys(("path", "patient", "video", "device"), "string"))


def test_the_page_of_a_real_measurement_is_whole_and_escapes_every_name(tmp_path):
    evil = "<script>alert('1')</script>$x_{"
    findings = [f"polyp{evil}"]
    frames = predictions(findings, [f"A{evil}", f"B{evil}\x00"])
    validation, test = frames[:108], frames[108:].reset_index(drop=True)
    outsiders = validation[:20].assign(device=f"black{evil}", outsider=True)
    held = Trust(fit_trust(validation, findings), validation, outsiders)
    measured = measure(test, findings=findings, resamples=20, trust=held)
    run = {"train_devices": [f"A{evil}"]}
    write_report(tmp_path / "report.html", predictions=test, embeddings=None, metrics=measured, run=run)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "trust" in [a.get("id") for tag, a in page.tags if tag == "section"]
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text.count(evil) > 20
    notes = [a["id"] for tag, a in page.tags if tag == "li" and "id" in a]
    links = {a["href"][1:] for _, a in page.tags if "-note-" in a.get("href", "")}
    assert links == set(notes) and len(notes) == len(set(notes))
    pictures = [a for tag, a in page.tags if tag == "img"]
    assert len(pictures) >= 7 and all(a["alt"] for a in pictures)
    for picture in pictures:
        svg = base64.b64decode(picture["src"].split(",")[1]).decode()
        ElementTree.fromstring(svg)
        assert "<script" not in svg


def test_the_diagram_shows_the_bins_that_were_measured():
    points = [
        trust_plots.Bin(5, 0.2, Interval(0.3, 0.1, 0.5, "")),
        trust_plots.Bin(9, 0.8, Interval(0.6, None, None, "")),
    ]
    gap = trust_plots.Bin(3, 0.5, Interval(None, None, None, "no labels"))
    series = trust_plots.Reliability("now", "#000000", [points[0], gap, points[1]])
    axes = trust_plots.reliability_diagrams([("polyp", [series])]).axes[0]
    drawn = [line.get_xydata().tolist() for line in axes.lines]
    assert [[0.2, 0.3], [0.8, 0.6]] in drawn
    assert [[0.2, 0.1], [0.2, 0.5]] in drawn


def test_a_broken_promise_is_red_and_the_promise_a_line():
    numbers = [Interval(0.3, 0.25, 0.35, "")]
    row = trust_plots.Row("B", "#0072B2", False, True, numbers, ["30 %  broken"], [True])
    (axes,) = trust_plots.dot_panels([trust_plots.DotPanel("Missed", 0.1, "below")], [row]).axes
    colours = {line.get_color() for line in axes.lines}
    assert trust_plots.BROKEN in colours and "#0072B2" not in colours
    assert any(list(line.get_xdata()) == [0.1, 0.1] for line in axes.lines)
    assert axes.get_xlim()[0] <= 0.1 and axes.get_xlim()[1] >= 0.35


def test_the_best_score_comes_first_and_in_colour():
    x, y = np.array([0.0, 0.1]), np.array([0.7, 0.8])
    curves = [trust_plots.Curve(name, style, x, y + style / 10, y, y) for style, name in enumerate(("a", "b"))]
    axes = trust_plots.score_curves([("polyp", "#0072B2", curves)], "x", "y", rising=True).axes[0]
    assert [line.get_color() for line in axes.lines] == ["#0072B2", plots.MUTED]
    np.testing.assert_allclose(axes.lines[1].get_ydata(), y + 0.1)


def test_the_report_of_an_older_test_has_no_trust_section(tmp_path, no_plots):
    frames = predictions(["polyp"], ["A", "B"])
    measured = measure(frames, findings=["polyp"], resamples=5)
    write_report(tmp_path / "report.html", predictions=frames, embeddings=None, metrics=copy.deepcopy(measured), run={})
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "trust" not in [a.get("id") for tag, a in page.tags if tag == "section"]
    assert "#trust" not in [a.get("href") for _, a in page.tags]
