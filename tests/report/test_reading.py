"""What the page of a reading holds, and what of data can never become markup or script."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from capsight.errors import UserError
from capsight.notice import NOTICE
from capsight.report.reading import Reading, read_reading, write_reading_page
from capsight.report.reading_strip import strip

SCRIPT = "<script>alert(1)</script>.mp4"
FINDING = "</script><img src=x onerror=alert(1)>"


def event(number, finding, first, last, **more):
    best = (first + last) // 2
    told = {
        "event": number,
        "finding": finding,
        "first": first,
        "last": last,
        "best": best,
        "n_frames": last - first + 1,
    }
    seconds = {"first_seconds": first / 2, "last_seconds": last / 2, "best_seconds": best / 2}
    flags = {"uncertain": False, "unlike": False, "visible": 0.8, "uncertainty": 0.1}
    return told | seconds | flags | {"n_frames": last - first + 1, "peak": 0.9, "suspicion": 0.9} | more


def reading(events=(), n_frames=40, findings=("polyp", FINDING), moments=(), **more):
    frames = {"frame": range(n_frames), "seconds": np.arange(n_frames) / 2, "readable": True, "visible": 0.5}
    frames |= {f"smoothed_{name}": np.linspace(0, 0.9, n_frames) for name in findings}
    told = {"pictures": {}, "heatmaps": {}, "problems": [], "frames_per_second": 2.0, "title": SCRIPT} | more
    return Reading(
        frames=pd.DataFrame(frames), events=pd.DataFrame(list(events)), moments=pd.DataFrame(list(moments)),
        findings=list(findings),
        thresholds={name: 0.5 for name in findings}, **told,
    )  # fmt: skip


def written(tmp_path, *args, **more):
    write_reading_page(tmp_path / "reading.html", reading(*args, **more))
    return (tmp_path / "reading.html").read_text(encoding="utf-8")


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_nothing_from_data_is_markup(tmp_path):
    page = written(tmp_path, [event(1, FINDING, 3, 5)], problems=[f"frame 3: {SCRIPT}"])
    assert page.count("<script") == 2 and page.count("</script>") == 2  # the data and the page's own
    assert "<img src=x" not in page and "alert(1)</script>" not in page
    assert data_of(page)["title"] == SCRIPT and data_of(page)["findings"][1]["name"] == FINDING
    assert "://" not in page.replace("http://www.w3.org", "") and NOTICE in page


def test_events_stand_by_suspicion_with_the_uncertain_apart(tmp_path):
    events = [event(1, "polyp", 3, 5, uncertain=True), event(2, "polyp", 9, 9), event(3, FINDING, 20, 30)]
    told = data_of(written(tmp_path, events))["events"]
    assert [(one["event"], one["uncertain"]) for one in told] == [(2, False), (3, False), (1, True)]
    assert told[1]["finding"] == 1 and told[1]["best"] == 25 and told[1]["best_seconds"] == 12.5


def test_neighbours_are_the_nearest_frames_with_a_picture(tmp_path):
    pictures = {number: b"jpeg" for number in (2, 3, 4, 6, 7, 19)}
    heatmaps = {(4, "polyp"): b"png", (30, "polyp"): b"png"}
    told = data_of(written(tmp_path, [event(1, "polyp", 4, 4)], pictures=pictures, heatmaps=heatmaps))
    assert told["events"][0]["frames"] == [2, 3, 4, 6, 7]
    assert sorted(map(int, told["pictures"])) == [2, 3, 4, 6, 7] and list(told["heatmaps"]) == ["4 0"]


def test_no_event_is_said_and_not_taken_for_health(tmp_path):
    page = written(tmp_path)
    assert "No event was found in this video." in page and "This does not say that there is none" in page


def test_unreadable_frames_and_missing_pictures_are_said(tmp_path):
    made = reading(
        [event(1, "polyp", 3, 5), event(2, "polyp", 9, 9)], pictures={4: b"jpeg"}, problems=["frame 7: gone"]
    )
    made.frames.loc[:9, "readable"] = False
    write_reading_page(tmp_path / "page.html", made)
    page = (tmp_path / "page.html").read_text()
    assert "10 frames (25.0 %) could not be read" in page and "frame 7: gone" in page
    assert "1 event of 2 has no picture here" in page
    made.frames["readable"] = False
    write_reading_page(tmp_path / "page.html", made)
    assert "No frame could be read" in (tmp_path / "page.html").read_text()
    nothing = reading()
    nothing.frames["readable"] = False
    write_reading_page(tmp_path / "page.html", nothing)
    page = (tmp_path / "page.html").read_text()
    assert "Nothing could be read of this video" in page and "No event was found" not in page


def test_unknown_times_are_not_numbers(tmp_path):
    unknown = dict.fromkeys(("first_seconds", "last_seconds", "best_seconds", "visible"), np.nan)
    told = data_of(written(tmp_path, [event(1, "polyp", 3, 5, **unknown)], frames_per_second=None))
    assert told["events"][0]["best_seconds"] is None and told["frames_per_second"] is None


def test_a_review_belongs_to_its_reading(tmp_path):
    first = data_of(written(tmp_path, [event(1, "polyp", 3, 5)]))["key"]
    assert first == data_of(written(tmp_path, [event(1, "polyp", 3, 5)]))["key"]
    assert first != data_of(written(tmp_path, [event(1, "polyp", 3, 6)]))["key"]
    further = [data_of(written(tmp_path, moments=[event(1, "polyp", at, at)]))["key"] for at in (3, 4)]
    assert further[0] != further[1]


def test_further_frames_stand_in_their_own_order_behind_all_events(tmp_path):
    moments = [event(3, "polyp", 20, 20, uncertain=True), event(4, "polyp", 30, 30)]
    page = written(tmp_path, [event(1, "polyp", 3, 5, uncertain=True), event(2, "polyp", 9, 9)], moments=moments)
    assert [(told["event"], told["further"]) for told in data_of(page)["events"]] == [
        (2, False), (1, False), (3, True), (4, True)
    ]  # fmt: skip
    assert "2 events, 1 of them uncertain" in page and "No event was found" not in page
    assert "No event was found" in written(tmp_path, moments=moments)


def test_the_strip_loses_no_frame_of_a_long_video():
    values = np.zeros(50_000)
    values[[7, 31_234, 49_999]] = 0.93, 0.8, 0.7
    frames = pd.DataFrame({"smoothed_polyp": values, "visible": np.nan, "readable": True})
    frames.loc[100, ["readable", "smoothed_polyp"]] = False, np.nan
    told = strip(frames, ["polyp"])
    assert len(told["starts"]) == len(told["findings"][0]) == 1200 and told["visible"] == [None] * 1200
    # the obvious way, bin by bin
    edges = [*told["starts"], len(frames)]
    pieces = [frames["smoothed_polyp"][a:b] for a, b in zip(edges, edges[1:], strict=False)]
    assert told["findings"][0] == [round(100 * piece.max()) for piece in pieces]
    assert sum(told["unreadable"]) == 1 and sorted(set(told["findings"][0])) == [0, 70, 80, 93]


def test_a_short_or_empty_video_has_a_strip():
    assert strip(pd.DataFrame({"probability_a": [0.2, np.nan]}), ["a"])["findings"] == [[20, None]]
    assert strip(pd.DataFrame(), ["a"]) == {"starts": [], "findings": [[]], "visible": [], "unreadable": []}


@pytest.fixture
def folder(tmp_path):
    made = reading([event(1, "polyp", 3, 5)], findings=("polyp",))
    made.frames.to_parquet(tmp_path / "reading.parquet")
    told = {"video": SCRIPT, "findings": ["polyp"], "thresholds": {"polyp": 0.5}, "frames_per_second": 2.0}
    (tmp_path / "events.json").write_text(json.dumps(told | {"events": made.events.to_dict("records"), "moments": []}))
    (tmp_path / "reading.json").write_text(json.dumps({"problems": ["a line"]}))
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "frame_000004.jpg").write_bytes(b"jpeg")
    (tmp_path / "pictures" / "heat_000004_a_polyp.png").write_bytes(b"png")
    return tmp_path


def test_a_reading_is_read_from_its_files(folder):
    found = read_reading(folder)
    assert (found.title, found.findings, found.problems) == (SCRIPT, ["polyp"], ["a line"])
    assert found.pictures == {4: b"jpeg"} and found.heatmaps == {(4, "a_polyp"): b"png"}
    write_reading_page(folder / "reading.html", found)


@pytest.mark.parametrize("name", ["events.json", "reading.json", "reading.parquet"])
@pytest.mark.parametrize("damage", [None, b"{", b"[]"])
def test_a_damaged_reading_is_refused_in_one_line(folder, name, damage):
    (folder / name).unlink() if damage is None else (folder / name).write_bytes(damage)
    with pytest.raises(UserError, match="read the video again"):
        read_reading(folder)


@pytest.mark.parametrize("change", [{"finding": "ulcer"}, {"best": None}, {"first": "x"}])
def test_a_damaged_event_is_refused_in_one_line(folder, change):
    told = json.loads((folder / "events.json").read_text())
    told["events"][0] |= change
    (folder / "events.json").write_text(json.dumps(told))
    with pytest.raises(UserError, match="holds no whole reading"):
        read_reading(folder)
