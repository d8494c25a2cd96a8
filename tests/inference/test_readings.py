"""Many readings, with a stand-in for scripts/read.py: what is done is not done again, and errors are named."""

from types import SimpleNamespace

import pandas as pd
import pytest

from capsight.errors import UserError
from capsight.inference import readings

READ = """
import sys
from pathlib import Path
told = dict(argument.split("=", 1) for argument in sys.argv[1:])
told = {name: value.strip("'") for name, value in told.items()}
if "bad" in told["video"]:
    print("progress\\nerror: this is no video.", file=sys.stderr)
    sys.exit(1)
out = Path(told["out"])
(out / "count").write_text((out / "count").read_text() + "x" if (out / "count").exists() else "x")
(out / "told").write_text(repr(sorted(told.items())))
(out / "reading.json").write_text("{}")
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    script = tmp_path / "read.py"
    script.write_text(READ)
    monkeypatch.setattr(readings, "READ", script)
    (tmp_path / "videos" / "b").mkdir(parents=True)
    table = pd.DataFrame(
        {"patient": ["p1", "p2", None], "video": ["v1", "v2", None], "split": ["train", "test", "val"]}
    )
    return SimpleNamespace(dir=tmp_path / "it's a run", fingerprint=lambda: "abc", manifest=table)


def test_each_video_is_read_once(run, tmp_path):
    out = tmp_path / "out"
    folders = readings.read_videos(run, tmp_path / "videos", ["a.mp4", "b"], out, ["passes=0"])
    assert folders == [out / "a.mp4", out / "b"]
    assert "('passes', '0')" in (out / "b" / "told").read_text()
    (out / "b" / "reading.json").unlink()
    readings.read_videos(run, tmp_path / "videos", ["a.mp4", "b"], out, ["passes=0"])
    assert [(folder / "count").read_text() for folder in folders] == ["x", "xx"]
    with pytest.raises(UserError, match="other settings"):
        readings.read_videos(run, tmp_path / "videos", ["a.mp4"], out, ["passes=5"])


def test_a_failed_reading_ends_with_its_own_line(run, tmp_path):
    with pytest.raises(UserError, match=r"bad\.mp4 failed: this is no video\. \("):
        readings.read_videos(run, tmp_path / "videos", ["bad.mp4"], tmp_path / "out", [])
    with pytest.raises(UserError, match="leaves the root"):
        readings.read_videos(run, tmp_path / "videos", ["../x.mp4"], tmp_path / "out", [])


def test_patients_that_the_run_has_learned_from_are_refused(run):
    readings.check_strangers(run, pd.DataFrame({"video": ["x"], "patient": ["p2"]}))
    for patient in ("p1", "v1"):
        with pytest.raises(UserError, match=f"has learned from the patient {patient}"):
            readings.check_strangers(run, pd.DataFrame({"video": ["x", "y"], "patient": ["p2", patient]}))
