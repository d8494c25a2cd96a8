"""The study through its real command: videos drawn, read and measured once, by a run that does not know them."""

import json

import pandas as pd
import pytest
from omegaconf import OmegaConf

from capsight.data.known_videos import read_known, write_known

SMALL = {
    "phantom.devices": "[phantom_1]",
    "phantom.patients": "2",
    "phantom.frames": "90",
    "phantom.size": "48",
    "phantom.lesions": "1",
    "phantom.rest": "1",
}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("study")


def test_a_study_is_done_once(command, run_dir, out):
    status, said, err = command("reading_study.py", run=run_dir, out=out, **SMALL)
    assert status == 0, err
    assert "events" in said
    assert "frame by frame" in said
    study = json.loads((out / "reading_study.json").read_text())
    videos, lesions = read_known(out / "videos")
    assert (study["n_videos"], study["n_lesions"], study["n_frames"]) == (2, len(lesions), 180)
    assert study["findings"] == [f for f in ("polyp", "bleeding", "inflammation") if f in set(lesions["finding"])]
    assert study["words"][0] in (out / "reading_study.html").read_text()
    best = {}
    for video in videos["video"]:
        events = json.loads((out / "readings" / video / "events.json").read_text())["events"]
        best[video] = [event["best"] for event in events if event["finding"] in study["findings"]]
    for row in study["lesions"]:
        seen = [row["first"] <= at <= row["last"] for at in dict.fromkeys(best[row["video"]])]
        assert not any(seen) or row["found_at"]["events"] == seen.index(True) + 1

    times = {file: file.stat().st_mtime_ns for file in out.glob("*/**/reading.json")}
    assert len(times) == 2
    status, _, err = command("reading_study.py", run=run_dir, out=out, **SMALL)
    assert status == 0, err
    assert {file: file.stat().st_mtime_ns for file in out.glob("*/**/reading.json")} == times


def test_videos_of_ones_own_are_read(command, run_dir, out, tmp_path):
    videos, lesions = read_known(out / "videos")
    write_known(out / "videos", videos.head(1), lesions[lesions["video"] == videos["video"][0]])
    status, _, err = command("reading_study.py", run=run_dir, out=tmp_path, videos=out / "videos")
    write_known(out / "videos", videos, lesions)
    assert status == 0, err
    study = json.loads((tmp_path / "reading_study.json").read_text())
    assert (study["n_videos"], study["remarks"]) == (1, [])


def test_videos_are_rebuilt_from_the_test_frames_of_the_run(command, run_dir, tmp_path):
    frames = pd.read_parquet(run_dir / "manifest.parquet")
    frames = frames[(frames["split"] == "test") & (frames["device"] == "phantom_7")]
    few = frames[frames["patient"].isin(sorted(frames["patient"].unique())[:1])].drop(columns="split")
    few.to_csv(tmp_path / "few.csv", index=False)
    root = OmegaConf.load(run_dir / "config.yaml").data.root
    told = {"videos": "rebuilt", "rebuilt.manifest": tmp_path / "few.csv", "rebuilt.root": root}
    status, _, err = command("reading_study.py", run=run_dir, out=tmp_path / "out", findings="[content]", **told)
    assert status == 0, err
    study = json.loads((tmp_path / "out" / "reading_study.json").read_text())
    assert study["n_frames"] == len(few)
    assert study["findings"] == ["content"]
    assert "small part of each video" in study["remarks"][0]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"phantom.first_patient": "0", "phantom.patients": "5"}, "has learned from the patient phantom_1_p00"),
        ({"target": "0"}, "target=0 is not possible"),
        ({"read": "['out=x']"}, "read=out=x is not possible"),
        ({"read": "3"}, "read is a list"),
        ({"videos": "nowhere"}, "videos.csv is missing"),
        ({"phantom.lesions": "9"}, "do not fit"),
        ({"phantom.devices": "[]"}, "give a list of one or more devices"),
    ],
)
def test_bad_settings_are_one_line(command, run_dir, tmp_path, settings, line):
    status, _, err = command("reading_study.py", run=run_dir, out=tmp_path / "out", **SMALL | settings)
    assert status == 1
    assert line in err
    assert "Traceback" not in err
    assert not (tmp_path / "out" / "reading_study.json").exists()


def test_findings_that_the_run_does_not_know_are_refused(command, run_dir, out, tmp_path):
    told = {"videos": out / "videos", "findings": "[ulcer]"}
    status, _, err = command("reading_study.py", run=run_dir, out=tmp_path / "out", **told)
    assert status == 1
    assert "does not know ulcer; it finds" in err
