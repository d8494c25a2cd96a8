import json
from types import SimpleNamespace

import numpy as np
import pandas as pd

from capsight.report import reading_files
from capsight.report.reading_files import write_events, write_facts, write_frames

VIDEO = SimpleNamespace(name="a.mp4", frames_per_second=None, notes=["it was cut short."])


def made(n=6):
    problems = ["", "", "broken", "", "damaged", ""]
    return pd.DataFrame({"frame": range(n), "readable": [True, True, False, True, True, True], "problem": problems})


def test_what_is_not_known_is_null_and_numbers_are_plain(tmp_path):
    events = pd.DataFrame([{"event": np.int64(1), "first_seconds": np.nan, "uncertain": np.bool_(True)}])
    write_events(tmp_path, VIDEO, made(), events, events.head(0), {"polyp": np.float64(0.25)})
    told = json.loads((tmp_path / "events.json").read_text())
    assert told["events"] == [{"event": 1, "first_seconds": None, "uncertain": True}]
    assert (told["n_frames"], told["n_unreadable"], told["frames_per_second"]) == (6, 1, None)
    assert told["thresholds"] == {"polyp": 0.25}


def test_problems_are_counted_listed_and_bounded(tmp_path, monkeypatch):
    assert write_facts(tmp_path, VIDEO, made(), {"speed": np.inf}) == [
        "it was cut short.",
        "frame 2: broken",
        "frame 4: damaged",
    ]
    told = json.loads((tmp_path / "reading.json").read_text())
    assert (told["n_unreadable"], told["n_damaged"], told["n_problems_left_out"]) == (1, 1, 0)
    assert told["speed"] is None
    monkeypatch.setattr(reading_files, "LISTED", 1)
    assert write_facts(tmp_path, VIDEO, made(), {}) == ["it was cut short.", "frame 2: broken"]
    assert json.loads((tmp_path / "reading.json").read_text())["n_problems_left_out"] == 1


def test_the_table_is_what_it_was(tmp_path):
    write_frames(tmp_path, made())
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "reading.parquet"), made(), check_dtype=False, check_column_type=False
    )
