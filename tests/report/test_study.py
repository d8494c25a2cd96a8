"""What the numbers of a reading study say, and the page they stand on."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from capsight.evaluation.reading_study import WAYS, make_case, measure_study
from capsight.notice import NOTICE
from capsight.report.study import print_study, write_study
from capsight.report.study_words import tell

N = 4000
COLUMNS = ["video", "patient", "finding", "lesion", "first", "last"]


def study(*, events_at, wrong=1, patients=4, last=2039, finding="polyp"):
    """Lesions from frame 2000 on that no probability shows; one event at `events_at`, after it some that are wrong."""
    cases = []
    for number in range(patients):
        rng = np.random.default_rng(number)
        frames = pd.DataFrame({f"probability_{finding}": rng.random(N), "readable": True})
        frames.loc[2000:last, f"probability_{finding}"] = 0.0
        best = [events_at, *range(100, 100 + wrong)]
        events = pd.DataFrame({"event": np.arange(len(best)), "finding": finding, "best": best})
        named = (f"v{number}", f"p{number}", finding)
        lesions = pd.DataFrame([(*named, 1, 2001, last)], columns=COLUMNS)
        cases.append(make_case(*named[:2], frames, events, {finding: 0.5}, lesions, [finding]))
    return measure_study(cases, [finding], resamples=50)


def test_it_says_that_time_is_saved_where_events_are_right():
    words = tell(study(events_at=2002))
    assert words[0].startswith("Events save time here: a physician needs fewer frames than the most probable frames")
    assert "after 1 (1 to 1) frames per video" in " ".join(words)
    assert "3,962 (3,962 to 3,962) times as many" in " ".join(words)  # the lesion is the least probable


def test_it_says_that_none_is_saved_where_they_are_wrong():
    words = tell(study(events_at=50, wrong=200))
    text = " ".join(words)
    assert words[0].startswith("Events save time here against some ways of reading, and not against others: a")
    assert "more frames than evenly spaced frames to see 95 %" in words[0]
    assert "fewer than by events" in text
    assert "these show 0 % (0 to 0) of the lesions" in text


def test_it_says_that_lesions_are_missed_where_most_of_the_video_must_be_seen():
    words = tell(study(events_at=50, last=2003))
    assert words[0].startswith("Events do not save time for who wants to see 95 % of the lesions: that takes 1,")
    assert "of 4,000 frames. The best frames of all events together show 0 % (0 to 0)" in words[0]


def test_it_says_what_is_sure_where_the_frames_for_the_target_are_not():
    made = study(events_at=2002)
    for way in ("probability", "evenly", "frames"):
        made["times_as_many"][way] |= {"low": 0.5, "high": 4.0}
    assert tell(made)[0].startswith(
        "Within 100 frames per video events show more lesions than the most probable frames first, evenly spaced"
    )
    worse = study(events_at=50, wrong=200)
    for way in ("probability", "evenly", "frames"):
        worse["times_as_many"][way] |= {"low": 0.5, "high": 4.0}
    assert tell(worse)[0].startswith("Within 100 frames per video events show fewer lesions than evenly spaced frames;")


def test_it_says_what_is_not_sure():
    words = tell(study(events_at=2002, patients=2))
    assert words[0] == "Whether events save time cannot be said here: no difference to another way of reading is sure."
    assert "which may be chance" in " ".join(words)
    unreached = study(events_at=2002)
    unreached["ways"]["events"]["frames_for_target"] = {"value": None, "reason": "not reached"}
    assert "cannot be said: not reached" in tell(unreached)[-1]


def test_it_tells_of_lesions_that_are_in_view_for_a_moment():
    assert "Of 4 lesions in view for 3 frames or fewer, 4 are among" in " ".join(tell(study(events_at=2002, last=2003)))
    assert "in view for 3 frames" not in " ".join(tell(study(events_at=2002)))


def test_the_page_holds_the_claim_the_picture_and_no_script_from_data(tmp_path):
    bad = "<script>alert(1)</script>"
    made = write_study(tmp_path, study(events_at=2002, finding=bad), title=bad, remarks=[bad])
    page = (tmp_path / "reading_study.html").read_text(encoding="utf-8")
    assert bad not in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert made["words"][0].split(":")[0] in page
    assert "data:image/svg+xml;base64," in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    assert NOTICE in page
    assert (tmp_path / "sensitivity.png").read_bytes().startswith(b"\x89PNG")
    written = json.loads((tmp_path / "reading_study.json").read_text())
    assert written["notice"] == NOTICE
    assert set(written["ways"]) == set(WAYS)


def test_the_table_has_a_line_for_every_way(tmp_path):
    console = Console(record=True, width=160)
    made = write_study(tmp_path, study(events_at=2002), title="x")
    print_study(made, console)
    text = console.export_text()
    for name in ("events", "first by probability", "evenly spaced", "frame by frame"):
        assert name in text
    assert "3,962 (3,962 to 3,962)" in text


def test_what_cannot_be_measured_is_a_dash_with_its_reason(tmp_path):
    console = Console(record=True, width=160)
    made = write_study(tmp_path, study(events_at=2002, patients=2), title="x")
    print_study(made, console)
    assert "[1] fewer than three patients" in console.export_text()
    assert "fewer than three patients" in (tmp_path / "reading_study.html").read_text()


@pytest.mark.parametrize("lesions", [0, 1])
def test_videos_without_a_lesion_are_drawn_too(tmp_path, lesions):
    frames = pd.DataFrame({"probability_polyp": np.linspace(0, 1, 50), "readable": True})
    table = pd.DataFrame([("v", "p", "polyp", 1, 3, 4)] * lesions, columns=COLUMNS)
    events = pd.DataFrame({"event": [], "finding": [], "best": []})
    case = make_case("v", "p", frames, events, {"polyp": 0.5}, table, ["polyp"])
    made = write_study(tmp_path, measure_study([case], ["polyp"], resamples=5), title="x")
    assert made["n_lesions"] == lesions
    assert (tmp_path / "reading_study.html").exists()
