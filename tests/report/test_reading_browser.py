"""The page of a reading in a real browser: click, key, export. A script that presses keys is put into a copy of it."""

import csv
import html
import io
import json
import re
import subprocess

import numpy as np
import pandas as pd
import pytest

from capsight.notice import NOTICE
from capsight.report.reading import Reading, write_reading_page

from .test_gallery_browser import OPTIONS
from .test_reading import FINDING, SCRIPT, event

SIZE = ("--window-size=1280,720",)
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63f8cfc0f01f0005000201a2d0b5db0000000049454e44ae426082"
)
EVENTS = [
    event(1, "polyp", 10, 14), event(2, FINDING, 30, 30, uncertain=True), event(3, "polyp", 50, 60, unlike=True),
    event(4, FINDING, 80, 85),
]  # fmt: skip
MOMENTS = [event(5, "polyp", 70, 70)]
STEPS = """{
const seen = [];
const press = (key, more = {}) => (document.activeElement ?? document.body).dispatchEvent(
  new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
const type = (id, text) => { one(id).value = text; one(id).dispatchEvent(new Event("input")); };
const pick = (id, value) => { one(id).value = value; one(id).dispatchEvent(new Event("change")); };
const look_at = name => seen.push([name, {
  current: current?.event, frame: current && shownFrame(), heat: !one("map").hidden, picture: !one("picture").hidden,
  missing: one("missing").hidden ? "" : one("missing").textContent,
  shown: visible().map(event => event.event), help: one("help").open, said: structuredClone(review.events),
  name: one("name").textContent, place: one("place").textContent,
  flags: one("flags").textContent, count: document.querySelector(".count").textContent, note: one("note").value,
  focus: document.activeElement.id, empty: !one("empty").hidden, csv: asCsv(), json: asJson(),
  alerted: window.alerted ?? 0,
  images: document.querySelectorAll("img[onerror]").length, kept: localStorage.getItem(place),
}]);
let failed = "";
try { WORK } catch (error) { failed = String(error.stack); }
const told = document.createElement("pre");
told.id = "seen";
told.textContent = failed || JSON.stringify(seen);
document.body.replaceChildren(told);
}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    values = {"frame": range(100), "readable": True, "visible": 0.5, "seconds": np.arange(100) / 2}
    frames = pd.DataFrame(values | {f"smoothed_{name}": 0.3 for name in ("polyp", FINDING)})
    pictures = {number: PIXEL for number in (11, 12, 13, 55, 56)}
    file = tmp_path_factory.mktemp("reading") / "reading.html"
    made = Reading(
        SCRIPT, frames, pd.DataFrame(EVENTS), pd.DataFrame(MOMENTS), ["polyp", FINDING],
        {"polyp": 0.5, FINDING: 0.5}, 2.0, pictures, {(12, "polyp"): PIXEL}, [f"frame 3: {SCRIPT}"],
    )  # fmt: skip
    write_reading_page(file, made)
    return file


@pytest.fixture(scope="module")
def visit(browser, page, tmp_path_factory):
    """Open the page, do `work` (JavaScript with press and look_at), and return what was seen, by name."""

    def visit(work: str, folder=None) -> dict[str, dict]:
        folder = folder or tmp_path_factory.mktemp("visit")
        copy = folder / "reading.html"
        script = f"<script>{STEPS.replace('WORK', work)}</script>"
        text = page.read_text(encoding="utf-8").replace(
            "<style>", "<script>alert = () => window.alerted = 1;</script><style>"
        )
        copy.write_text(text.replace("</body>", script + "</body>"), encoding="utf-8")
        command = [browser, *OPTIONS, *SIZE, f"--user-data-dir={folder / 'profile'}", copy.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
        assert found, done.stderr[-2000:]
        assert found[1].startswith("["), html.unescape(found[1])
        return dict(json.loads(html.unescape(found[1])))

    return visit


def test_keys_walk_over_events_and_frames(visit):
    seen = visit("""
        look_at("start"); press("j"); look_at("j"); press("ArrowDown"); look_at("down"); press("End"); press("j");
        look_at("end"); press("k"); look_at("k"); press("k"); press("k"); look_at("three up");
        press("Home"); press("ArrowUp"); look_at("home");
        press("ArrowRight"); look_at("right"); press("ArrowRight"); look_at("no further"); press("ArrowLeft");
        press("ArrowLeft"); press("ArrowLeft"); look_at("left"); press("j", { ctrlKey: true }); look_at("ctrl");
    """)
    walked = {name: (found["current"], found["frame"]) for name, found in seen.items()}
    assert walked == {
        "start": (1, 12), "j": (3, 55), "down": (4, 82), "end": (5, 70), "k": (2, 30), "three up": (3, 55),
        "home": (1, 12), "right": (1, 13), "no further": (1, 13), "left": (1, 11), "ctrl": (1, 11),
    }  # fmt: skip
    assert seen["start"]["shown"] == [1, 3, 4, 2, 5]  # the uncertain one behind the others, the further frame last
    assert seen["start"]["place"] == "Event 1 of 4" and seen["end"]["place"] == "One of 1 further frame"
    assert seen["down"]["missing"].startswith("No picture was kept of this event: look at frame 82 (0:00:41)")
    assert not seen["down"]["picture"] and seen["start"]["picture"] and not seen["start"]["missing"]
    assert "do not trust" in seen["j"]["flags"] and "Uncertain" in seen["k"]["flags"] and not seen["start"]["flags"]


def test_the_heatmap_goes_on_and_off_and_needs_a_map(visit):
    seen = visit("""
        look_at("off"); press("h"); look_at("on"); press("ArrowRight"); look_at("none here"); press("ArrowLeft");
        look_at("still on"); one("heat").click(); look_at("clicked");
    """)
    assert [found["heat"] for found in seen.values()] == [False, True, False, True, False]


def test_decisions_by_key_and_click_move_on_and_can_be_taken_back(visit):
    seen = visit("""
        press("a"); look_at("accepted"); press("r"); look_at("rejected"); press("k"); press("u"); look_at("undone");
        cards.get(events[3]).click(); one("accept").click(); look_at("last");
        pick("decision", "accepted"); look_at("filtered"); pick("finding", "1"); look_at("one"); press("r");
        look_at("nothing left"); one("reset").click(); look_at("reset");
    """)
    said = {name: {number: s["decision"] for number, s in found["said"].items()} for name, found in seen.items()}
    assert said["accepted"] == {"1": "accepted"} and seen["accepted"]["current"] == 3
    assert said["rejected"] == {"1": "accepted", "3": "rejected"} and seen["rejected"]["count"] == "2 of 5 decided"
    assert said["undone"]["3"] == "" and seen["undone"]["count"] == "1 of 5 decided" and seen["undone"]["current"] == 3
    assert said["last"]["2"] == "accepted" and seen["last"]["current"] == 5
    assert seen["filtered"]["shown"] == [1, 2] and seen["one"]["shown"] == [2]
    assert seen["nothing left"]["shown"] == [] and seen["nothing left"]["empty"]
    assert seen["reset"]["shown"] == [1, 3, 4, 2, 5]


def test_the_review_outlives_the_page(visit, tmp_path):
    first = visit("""
        press("n"); look_at("note"); press("a"); look_at("a in the note"); type("note", "near the papilla");
        press("Escape"); press("a"); type("reader", "AB"); look_at("kept");
    """, tmp_path)  # fmt: skip
    assert first["note"]["focus"] == "note" and first["a in the note"]["said"] == {}
    kept = json.loads(first["kept"]["kept"])
    assert kept["reader"] == "AB" and kept["events"]["1"]["note"] == "near the papilla"
    # the same page, opened again with what the browser had kept
    again = visit(f"""
        localStorage.setItem(place, {json.dumps(first["kept"]["kept"])}); recall(); choose(events[0]); look_at("again");
        localStorage.setItem(place, "[damaged"); recall(); look_at("damaged");
    """)
    assert again["again"]["note"] == "near the papilla" and again["again"]["said"]["1"]["decision"] == "accepted"
    assert again["damaged"]["said"]["1"]["decision"] == "accepted"


def test_export_holds_every_event_and_no_formula(visit):
    seen = visit("""
        press("a"); type("note", '=HYPERLINK("x"),\\nsecond line'); type("reader", "+AB"); look_at("export");
    """)["export"]
    rows = list(csv.DictReader(io.StringIO(seen["csv"], newline="")))
    assert [row["event"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["further"] for row in rows] == ["false"] * 4 + ["true"]
    assert rows[0]["decision"] == "accepted" and rows[0]["video"] == SCRIPT and rows[1]["finding"] == FINDING
    assert rows[2]["note"] == '\'=HYPERLINK("x"),\nsecond line' and rows[0]["reader"] == "'+AB"
    assert rows[0]["notice"] == NOTICE and rows[1]["uncertain"] == "true" and rows[3]["decision"] == ""
    told = json.loads(seen["json"])
    assert told["notice"] == NOTICE and told["reader"] == "+AB" and told["n_frames"] == 100
    assert [event["event"] for event in told["events"]] == [1, 2, 3, 4, 5]
    assert told["events"][2]["note"].startswith("=HYPERLINK")
    assert told["events"][0]["best"] == 12 and told["thresholds"] == {"polyp": 0.5, FINDING: 0.5}


def test_the_buttons_give_files(visit):
    seen = visit("""
        const files = [];
        HTMLAnchorElement.prototype.click = function () { files.push(this.download, this.href.slice(0, 5)); };
        one("csv").click(); one("json").click(); document.title = files.join(); one("name").textContent = files.join();
        look_at("files");
    """)["files"]
    assert seen["name"] == "_script_alert_1_script_.mp4.review.csv,blob:,_script_alert_1_script_.mp4.review.json,blob:"


def test_a_click_on_the_strip_goes_to_the_nearest_event(visit):
    seen = visit("""
        const at = (frame, row) => canvas.dispatchEvent(Object.assign(new MouseEvent("click", {
          clientX: canvas.getBoundingClientRect().left + across(frame),
          clientY: canvas.getBoundingClientRect().top + row * ROW + 5 })));
        at(48, 0); look_at("first row"); at(48, 1); look_at("second row"); at(12.5, 0); look_at("inside");
    """)
    assert [found["current"] for found in seen.values()] == [3, 2, 1]


def test_nothing_from_data_runs_and_the_keys_are_told(visit):
    seen = visit("""
        press("j"); press("j"); look_at("names"); press("?"); look_at("help"); press("j"); look_at("in help");
    """)
    assert seen["names"]["name"] == FINDING and not seen["names"]["images"] and not seen["names"]["alerted"]
    assert seen["help"]["help"] and seen["in help"]["current"] == seen["names"]["current"]
