"""The gallery's words and its page: what is said of a frame, bad input, and nothing of the data as markup."""

import io
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from capsight.report.evidence import evidence
from capsight.report.gallery import Card, certainty, in_words, write_gallery

PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
EVIL = "</script><script>alert('1')</script>\"'&<img src=x onerror=alert(1)>"
BETTER, WORSE, NONE = (0.8, 0.7, 0.9), (0.2, 0.1, 0.3), (None, None, None)


def card(**changes) -> Card:
    return Card(
        **{
            "path": "a/1.jpg", "finding": "polyp", "probability": 0.87, "threshold": 0.4, "label": 1, "original": PIXEL,
            "pictures": {"cam": PIXEL, "gradcam": PIXEL}, "patient": "p1", "video": "v1", "frame": 1, "device": "A",
            "standard_deviation": 0.06,
        } | changes
    )  # fmt: skip


def number(value, low, high, **more):
    return {"value": value, "low": low, "high": high, **more}


def measured(cam=BETTER, random=WORSE, centre=WORSE, name="pointing_game", **more) -> dict:
    methods = {
        method: {"findings": {"polyp": {"n_frames": 12, name: number(*values)}}}
        for method, values in (("random", random), ("cam", cam), ("centre", centre))
    }
    methods["cam"] |= more
    return {"methods": methods, "n_frames": 12, "without_truth": 3, "problems": []}


class Page(HTMLParser):
    """What a browser would see: tags with attributes, and the text outside of style and script."""

    def __init__(self, html: str):
        super().__init__()
        self.html, self.tags, self.text, self._skip = html, [], "", False
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._skip = tag in ("style", "script")

    def handle_endtag(self, tag):
        self._skip = False

    def handle_data(self, data):
        self.text += "" if self._skip else data

    def of(self, kind: str) -> list[dict]:
        return [attributes for _, attributes in self.tags if kind in attributes.get("class", "").split()]


def page(tmp_path, cards=(), *, table=None, notes=(), facts=None, title="Polyps", passes="") -> Page:
    file = tmp_path / "gallery.html"
    write_gallery(file, cards, title=title, facts=facts or {}, table=table or {}, notes=notes, passes=passes)
    return Page(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("probability", "label", "words"),
    [(0.87, 1, "right, found"), (0.1, 0, "right, it is not there"), (0.1, 1, "wrong, missed"),
     (0.4, 0, "wrong, false alarm"), (0.87, None, "label unknown")],
)  # fmt: skip
def test_a_card_says_whether_the_model_is_right(probability, label, words):
    said = in_words(card(probability=probability, label=label), "30 dropout passes")
    assert said == f"polyp: {probability:.2f}, give or take 0.06 (30 dropout passes): {words}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"standard_deviation": None}, "polyp: 0.87: right, found"),
        ({"standard_deviation": float("nan")}, "polyp: 0.87: right, found"),
        ({"probability": float("nan")}, "polyp: no probability: the model gave no probability"),
        (
            {"threshold": None},
            "polyp: 0.87, give or take 0.06: neither right nor wrong, because no threshold was chosen",
        ),
    ],
)
def test_what_is_unknown_is_said_and_never_guessed(changes, words):
    assert in_words(card(**changes)) == words


@pytest.mark.parametrize(
    ("probability", "spread", "expected"),
    [(0.5, 0.06, "uncertain"), (0.5, 0.04, "certain"), (0.3, 0.06, "uncertain"), (0.9, 0.0, "certain"),
     (0.9, None, "certain"), (0.6, None, "uncertain"), (0.1, None, "certain"), (0.3, None, "uncertain"),
     (None, 0.1, "unknown")],
)  # fmt: skip
def test_a_decision_is_uncertain_where_it_could_as_well_have_been_the_other(probability, spread, expected):
    assert certainty(card(probability=probability, standard_deviation=spread)) == expected


def test_cards_carry_what_the_page_filters_by(tmp_path):
    shown = page(tmp_path, [card(), card(label=0, device=None), card(label=None, finding="blood")]).of("card")
    assert [attributes["data-finding"] for attributes in shown] == ["polyp", "polyp", "blood"]
    assert [attributes["data-verdict"] for attributes in shown] == ["right", "wrong false-alarm", "unknown"]
    assert [attributes["data-device"] for attributes in shown] == ["A", "unknown", "A"]
    assert {attributes["data-certainty"] for attributes in shown} == {"certain"}


def test_the_page_sums_up_the_cards(tmp_path):
    text = page(tmp_path, [card(), card(label=0, path="b.jpg", patient="p2"), card(label=None)], passes="5 models").text
    assert "2 frames of 2 patients, taken with A. The model gave 3 answers: 1 right, 1 wrong and 1 of which" in text
    assert "0.87 , give or take 0.06 (5 models)" in text or "0.87, give or take 0.06 (5 models)" in text


def test_every_card_has_every_map_and_shows_the_first(tmp_path):
    some = card(pictures={"cam": PIXEL}, uncertainty={"spread": PIXEL})
    seen = page(tmp_path, [card(), some])
    assert [attributes["data-map"] for _, attributes in seen.tags if "data-map" in attributes] == ["1", "2", "3"]
    layers = seen.of("layer")
    assert [layer["data-layer"] for layer in layers] == ["0", "1", "2", "3"] * 2
    assert ["hidden" in layer for layer in layers] == [True, False, True, True] * 2
    assert seen.text.count("no picture") == 2  # gradcam of the second, spread of the first
    assert "Spread over passes" in seen.text and "Grad-CAM" in seen.text


def test_without_maps_the_frames_are_shown(tmp_path):
    assert ["hidden" in layer for layer in page(tmp_path, [card(pictures={})]).of("layer")] == [False]


def test_pictures_may_be_files_and_what_is_none_is_missing(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(buffer, format="PNG")
    given = {"a": buffer.getvalue(), "b": b"not a picture", "c": None, "d": "https://example.org/x.png", "e": ""}
    seen = page(tmp_path, [card(pictures=given, original=None)])
    sources = [attributes["src"] for tag, attributes in seen.tags if tag == "img"]
    assert len(sources) == 1 and sources[0].startswith("data:image/png;base64,iVBOR")


def test_neighbours_stand_beside_their_card(tmp_path):
    neighbours = [
        {"picture": PIXEL, "distance": 0.1234, "findings": "polyp, blood", "patient": "p9", "device": "B"},
        {"picture": None, "distance": np.nan, "findings": "none", "patient": None, "device": "B"},
    ]
    text = page(tmp_path, [card(neighbours=neighbours)]).text
    for words in ("polyp, blood", "distance 0.123", "patient p9", "distance unknown", "patient unknown", "Most alike"):
        assert words in text
    assert "Most alike" not in page(tmp_path, [card()]).text


def test_no_cards_is_said(tmp_path):
    seen = page(tmp_path)
    assert "no frame was explained" in seen.text and not seen.of("card") and not seen.of("bar")


def test_nothing_of_the_data_becomes_markup(tmp_path):
    evil = card(
        path=EVIL, finding=EVIL, patient=EVIL, video=EVIL, device=EVIL, pictures={EVIL: PIXEL},
        neighbours=[{"picture": PIXEL, "distance": 1, "findings": EVIL, "patient": EVIL, "device": EVIL}],
    )  # fmt: skip
    table = measured()
    table["methods"]["cam"]["findings"] = {EVIL: {"n_frames": 1, "best_iou": number(None, None, None, reason=EVIL)}}
    table["methods"]["cam"]["by_device"] = {EVIL: {"findings": {}}, "B": {"findings": {}}}
    table["methods"][EVIL] = table["methods"]["random"]
    table["problems"] = [EVIL]
    seen = page(tmp_path, [evil], table=table, notes=[EVIL], facts={EVIL: EVIL}, title=EVIL)
    clean = page(tmp_path, [card()], table=measured())
    assert not [attributes for _, attributes in seen.tags if "onerror" in attributes]
    scripts = [page.html.count("<script") for page in (seen, clean)]
    assert scripts == [1, 1]  # the page's own
    assert EVIL in seen.text and seen.of("card")[0]["data-finding"] == EVIL


def test_the_page_may_load_nothing_and_refers_to_nothing(tmp_path):
    seen = page(tmp_path, [card()], table=measured())
    policy = next(attributes["content"] for _, attributes in seen.tags if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'; img-src data:;")
    links = [attributes[name] for _, attributes in seen.tags for name in ("src", "href") if name in attributes]
    assert links and all(link.startswith(("data:image/", "#")) for link in links)
    assert "://" not in seen.html and "Research use only, not a medical device" in seen.text


def test_a_path_that_is_not_utf_8_does_not_cost_the_page(tmp_path):
    assert "a?b" in page(tmp_path, [card(path="a\udcffb")]).text


def test_the_same_cards_give_the_same_page(tmp_path):
    assert page(tmp_path, [card()], table=measured()).html == page(tmp_path, [card()], table=measured()).html


@pytest.mark.parametrize(
    ("cam", "name", "mark", "verdict"),
    [
        (
            BETTER,
            "pointing_game",
            "better",
            "polyp: CAM beats both a random map and a centred blob in 1 of 1 measures.",
        ),
        ((0.5, 0.3, 0.7), "pointing_game", None, "polyp: CAM beats both a random map and a centred blob in none of 1"),
        (BETTER, "deletion_auc", "worse", "polyp: CAM beats both a random map and a centred blob in none of 1"),
        (BETTER, "max_sensitivity", None, "polyp: no method and baseline with intervals"),
        ((0.8, None, None), "best_iou", None, "polyp: no method and baseline with intervals"),
    ],
)
def test_a_method_is_marked_where_it_beats_both_baselines(cam, name, mark, verdict):
    shown = evidence(measured(cam=cam, name=name))
    rows = shown["blocks"][0]["parts"][0]["rows"]
    assert [row["baseline"] for row in rows] == [False, True, True]  # the baselines last
    assert [marks for _, marks in rows[0]["cells"]] == [mark]
    assert shown["verdicts"][0].startswith(verdict)


def test_beating_one_baseline_is_not_enough():
    assert "in none of 1" in evidence(measured(random=BETTER))["verdicts"][0]
    assert "in none of 1" in evidence(measured(centre=BETTER))["verdicts"][0]


def test_the_table_has_the_numbers_the_reasons_and_each_device(tmp_path):
    table = measured()
    table["methods"]["cam"]["findings"]["polyp"]["best_iou"] = number(None, None, None, reason="no mask and no box")
    table["methods"]["random"]["findings"]["polyp"]["best_iou"] = number(0.1, 0.05, 0.2)
    for method in table["methods"].values():
        method["by_device"] = {device: {"findings": method["findings"]} for device in ("A", "B")}
    seen = page(tmp_path, [card()], table=table)
    for words in ("0.800", "0.700–0.900", "no mask and no box", "for 3 of them no true region", "looks at nothing"):
        assert words in seen.text
    assert sum(tag == "details" for tag, _ in seen.tags) == 2
    assert "Energy inside" not in seen.text  # measured nowhere
    json.dumps(table)  # it is the content of a JSON file, and stays so


def test_checks_are_said_in_words():
    passed = {"stages": {"classifier": number(0.7, 0.6, 0.8), "conv1": number(0.1, 0.0, 0.2)}, "passes": True}
    failed = {"polyp": {"stages": {"conv1": number(0.9, 0.8, 1.0)}, "passes": False}}
    open_ = {"stages": {"conv1": number(None, None, None, reason="few")}, "passes": None, "reason": "no patients"}
    for test, words in (
        (passed, "CAM: passes the randomisation test; without what the model has learned the maps are others, rank "
         "correlation 0.10 (0.00 to 0.20)."),
        (failed, "CAM, polyp: fails the randomisation test"),
        (open_, "CAM: the randomisation test says nothing: no patients."),
    ):  # fmt: skip
        assert evidence(measured(randomisation=test))["checks"][0].startswith(words)
    assert "3.4 % of what" in evidence(measured(completeness_gap=number(0.034, 0.03, 0.04)))["checks"][0]


def test_what_the_neighbours_say_together_stands_above_them(tmp_path):
    near = [{"picture": None, "distance": 1.0, "findings": "polyp", "patient": "q", "device": "d"}]
    shown = Card("a", "polyp", 0.5, 0.5, 1, None, {}, neighbours=near, alike="1 of its 2 nearest <frames>")
    write_gallery(tmp_path / "g.html", [shown], title="t", facts={}, table={})
    assert "1 of its 2 nearest &lt;frames&gt;" in (tmp_path / "g.html").read_text()
