"""The page about a change of capsule: its sections, its words also where results disappoint, nothing as markup."""

import io
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from capsight.report import shift_plots
from capsight.report.shift import print_shift, write_shift
from capsight.report.shift_words import signed, tell
from capsight.report.tables import Interval

SECTIONS = ["summary", "matrix", "recovered", "curves", "thresholds", "calibration", "distances", "control"]
SECTIONS += ["selection", "cells"]
DEVICES = ["A", 'B <i>bold</i><script>alert("1")</script>', "C"]


def number(value, spread=0.05, reason=None):
    if value is None:
        return {"value": None, "low": None, "high": None, "reason": reason or "one class only"}
    return {"value": value, "low": value - spread, "high": value + spread} | ({"reason": reason} if reason else {})


def findings(auroc):
    names = {"sensitivity": 0.7, "specificity": 0.6, "ece": 0.1, "ece_calibrated": 0.2}
    return {
        "polyp": {"auroc": number(auroc)} | {name: number(value) for name, value in names.items()},
        "<u>blood</u>": dict.fromkeys(["auroc", *names], number(None)),
    }


def shift(methods=None, *, home=0.9, none=0.7, control=True, objective=None):
    """What measure_shift returns, leave one out; methods: {(name, k): mean AUROC}."""
    methods = methods or {("dann", 0): 0.8, ("few_shot", 5): 0.82, ("few_shot", 10): 0.88}
    drop = number(home - none)
    facts = {"objective": objective} if objective else {}

    def won(there):
        share = number((there - none) / (home - none), 0.1) if drop["low"] > 0 else number(None, reason="no drop")
        return {"mean_auroc": number(there), "drop": drop, "gain": number(there - none), "recovered": share}

    lines, cells = [], []
    for target in DEVICES:
        pair = {"source": [name for name in DEVICES if name != target], "target": target, **facts}
        for (name, k), there in {("none", 0): none, **methods}.items():
            one = pair | {"adaptation": name, "k": k, "seeds": [0, 1], "settings": ["weight=<1>"]}
            lines.append(one | {"findings": findings(there), "selection": "source_validation"} | won(there))
            cell = pair | {"adaptation": name, "k": k, "seed": 0, "settings": "", "selection": "source_validation"}
            scores = {"source_validation": 0.8, "target_unlabelled": None}
            cell |= {"chosen": True, "scores": scores, "run": f"cells/{target}", "source_run": "s"}
            cells.append(cell | {"findings": findings(there), "mean_auroc": number(there)})
    free = [line for line in lines if line["k"] == 0 and line["adaptation"] != "none"]
    block = {"n_sources": 2, "targets": DEVICES, "seeds": [0, 1], "home": number(home), "before": number(none), **facts}
    averages = [
        block | {"adaptation": name, "k": k, "selection": "source_validation"} | won(there)
        for (name, k), there in {("none", 0): none, **methods}.items()
    ]
    distance = {"n_source": 60, "n_target": 50} | dict.fromkeys(("proxy_a_distance", "mmd", "frechet"), number(0.5))
    distance["halves"] = dict.fromkeys(("proxy_a_distance", "mmd", "frechet"), number(0.0))
    views = {name: {"balanced_accuracy": number(0.8)} for name in ("centre", "whole", "border")}
    chosen = [{**block, "selection": "source_validation", "adaptations": ["dann"]} | won(0.8)] if free else []
    return {
        "selection": "source_validation",
        "unlabelled": "information_maximisation",
        "specificity": 0.9,
        "resamples": 10,
        "findings": ["polyp", "<u>blood</u>"],
        "cells": cells,
        "homes": [
            {"source": [n for n in DEVICES if n != t], "runs": ["s"], "findings": findings(home), **facts}
            | {"mean_auroc": number(home)}
            for t in DEVICES
        ],
        "summary": lines,
        "averages": averages,
        "choices": free,
        "choices_averaged": chosen,
        "left_out": [{"source": ["A"], "target": "C", "finding": "<u>blood</u>", "reason": "too <few>"}],
        "distances": [
            {"source": ["A", "C"], "target": DEVICES[1], "run": "r", "all": distance, "by_device": {"A": distance}}
        ],
        "control": {"chance": 1 / 3, "n_frames": 9, "n_patients": 9, "devices": DEVICES, "views": views}
        if control
        else None,
    }


class Page(HTMLParser):
    """Tags with attributes, and the text outside of style and tags."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.text, self._skip = [], "", False
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._skip = tag == "style"

    def handle_endtag(self, tag):
        self._skip = False

    def handle_data(self, data):
        self.text += "" if self._skip else data

    def sections(self):
        return [attributes["id"] for tag, attributes in self.tags if tag == "section" and "id" in attributes]


def page(tmp_path, made, **more):
    write_shift(tmp_path / "shift.html", made, **more)
    html = (tmp_path / "shift.html").read_text(encoding="utf-8")
    return Page(html), html


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return page(tmp_path_factory.mktemp("shift"), shift(), title="A & B", warnings=["Two <runs> failed."])


@pytest.fixture
def no_plots(monkeypatch):
    monkeypatch.setattr("capsight.report.plots.data_uri", lambda figure: "data:image/svg+xml;base64,")


def test_sections_stand_in_order(whole):
    assert whole[0].sections() == SECTIONS


def test_loads_nothing_and_takes_no_text_as_markup(whole):
    read, html = whole
    assert not {"i", "u", "runs", "script", "few"} & {tag for tag, _ in read.tags}
    assert DEVICES[1] in read.text and "<u>blood</u>" in read.text and "Two <runs> failed." in read.text
    sources = [attributes.get("src") or attributes.get("href") for _, attributes in read.tags]
    assert all(source.startswith(("data:", "#")) for source in sources if source)
    assert not re.search(r"https?://", re.sub(r"data:[^\"]*", "", html))


def test_every_anchor_leads_somewhere(whole):
    ids = {attributes.get("id") for _, attributes in whole[0].tags}
    links = {a["href"][1:] for tag, a in whole[0].tags if tag == "a" and a.get("href", "").startswith("#")}
    assert links <= ids


def test_selection_stands_beside_the_numbers(whole):
    assert whole[0].text.count("source_validation") > len(DEVICES)


def test_tells_drop_choice_and_labels():
    words = " ".join(tell(shift()))
    assert "mean AUROC of 0.90 (0.85 to 0.95) on new patients of its own, and 0.70 (0.65 to 0.75) over 3" in words
    assert "a drop of 0.20 (0.15 to 0.25)" in words
    assert "dann would have been chosen, which wins back 50 % (40 to 60)" in words
    assert "few_shot 60 % (50 to 70) with 5 and 90 % (80 to 100) with 10" in words
    assert "specificity of 0.60 (0.55 to 0.65)" in words
    assert "by 10 on the targets; a temperature that was fitted on the source makes it 20" in words
    assert "tissue alone in 80 % (75 to 85)" in words and "differ in the picture of the tissue itself" in words


def test_tells_disappointment_as_it_is():
    worse = " ".join(tell(shift({("tent", 0): 0.6, ("adabn", 0): 0.65})))
    assert "No method without labels of the target wins anything back; the best, adabn, −25 % (−35 to −15)." in worse
    unsure = " ".join(tell(shift({("tent", 0): 0.71})))
    assert "which may be chance" in unsure
    no_drop = " ".join(tell(shift(none=0.88)))
    assert "may be chance, so there is nothing sure to win back" in no_drop and "wins back" not in no_drop
    better = " ".join(tell(shift(none=0.99)))
    assert "which is better: the new capsule costs it nothing here" in better


def test_tells_when_only_mask_and_border_tell_the_device():
    made = shift()
    made["control"]["views"]["centre"]["balanced_accuracy"] = number(0.34)
    assert "may be mask or burned-in text rather than the picture of the tissue" in tell(made)[-1]


def test_tells_what_has_no_interval():
    made = shift()
    for block in made["averages"]:
        for name in ("home", "mean_auroc", "drop"):
            block[name] |= {"low": None, "high": None, "reason": "fewer than three patients"}
    assert "how sure that difference is cannot be said: fewer than three patients." in tell(made)[0]


def test_leaves_out_what_was_not_measured(tmp_path, no_plots):
    read, _ = page(tmp_path, shift({("dann", 0): 0.8}, control=False))
    assert read.sections() == [name for name in SECTIONS if name not in ("curves", "control")]


def test_without_a_drop_the_methods_stand_in_the_table_and_no_empty_picture_is_drawn(tmp_path, no_plots):
    told = [page(tmp_path, shift({("dann", 0): 0.95}, home=home))[0] for home in (0.9, 0.6)]
    pictures = [sum(tag == "img" and a["alt"].startswith("Dots") for tag, a in read.tags) for read in told]
    assert pictures[0] == pictures[1] + 1  # the shares of the drop: there is none
    assert "0.950" in told[1].text and "recovered" in told[1].sections()


def test_losses_stand_in_one_picture_and_are_told_apart(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("capsight.report.plots.data_uri", lambda figure: "data:image/svg+xml;base64,")
    monkeypatch.setattr(shift_plots, "curves", lambda panels: drawn.extend(panels))
    one, other = shift(objective="ce"), shift(objective="ce_triplet", none=0.75)
    both = {key: one[key] + other[key] if isinstance(one[key], list) else one[key] for key in one}
    both["findings"] = one["findings"]
    read, _ = page(tmp_path, both)
    assert [panel.title for panel in drawn][0] == "average of 3 targets" and len(drawn) == 4
    for panel in drawn:
        assert [line[0] for line in panel.lines] == ["few_shot, ce", "few_shot, ce_triplet"]
        assert [line[3][0].value for line in panel.lines] == [0.7, 0.75]  # at k = 0: each loss's own model
        assert panel.lines[0][2] == [0, 5, 10]
    assert "few_shot, ce_triplet, 10 labelled" in read.text


def test_pairs_make_a_square_matrix_with_home_on_the_diagonal(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr("capsight.report.plots.data_uri", lambda figure: "data:image/svg+xml;base64,")
    monkeypatch.setattr(shift_plots, "matrix", lambda *arguments: seen.update(arguments=arguments))
    made = shift()
    for key in ("summary", "cells", "homes"):
        made[key] = [one | {"source": one["source"][:1]} for one in made[key]]
    made["averages"] = [one | {"n_sources": 1} for one in made["averages"]]
    page(tmp_path, made)
    rows, columns, squares = seen["arguments"]
    assert set(rows) <= set(columns) == set(DEVICES)
    assert all(square.home == (rows[square.row] == columns[square.column]) for square in squares)
    assert {square.number.value for square in squares if square.home} == {0.9}


def test_plots_take_missing_numbers():
    none = Interval(None, None, None, "one class only")
    shift_plots.matrix(["A"], ["A long name of a device"], [shift_plots.Square(0, 0, none, True)])
    line = ("dann", 0, [0, 5], [none, Interval(0.7, None, None, "")])
    shift_plots.curves([shift_plots.Panel("A", [none], [none], [line])])
    shift_plots.shares([shift_plots.Share("dann", "#000000", none, "", [])])


def test_what_is_nothing_when_rounded_has_no_sign():
    assert [signed(value, 0) for value in (-0.4, 0.4, -0.6, -12.3)] == ["0", "0", "\u22121", "\u221212"]
    assert signed(-0.004, 2) == "0.00"


def test_prints_averages_and_reasons():
    out = io.StringIO()
    print_shift(shift(none=0.88), Console(file=out, width=100))
    told = out.getvalue()
    assert "few_shot, 10 labelled" in told and "chosen by source_validation" in told
    assert "[1] no drop" in told and "0.88 (0.83 to 0.93)" in told
