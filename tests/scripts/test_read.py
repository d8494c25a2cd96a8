import json
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest

from capsight.data.film import write_film
from capsight.data.frames import read_frame
from capsight.data.phantom import video as phantom
from capsight.inference import parts
from capsight.inference.predict import predict
from capsight.learning.run import read_run

from .conftest import REPOSITORY, arguments

FEW = {"passes": 3, "batch_size": 32}


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A phantom video of 100 frames, with a name that would run in a page."""
    file = tmp_path_factory.mktemp("films") / "<img src=x onerror=alert(1)>.mp4"
    frames = (frame for frame, _ in phantom(patient_seed=3, device="phantom_1", n_frames=100, size=48))
    write_film(file, frames, per_second=2)
    return file


def results(folder):
    told = {name: json.loads((folder / f"{name}.json").read_text()) for name in ("events", "reading")}
    return pd.read_parquet(folder / "reading.parquet"), told["events"], told["reading"]


@pytest.fixture(scope="module")
def read(run_dir, film, tmp_path_factory):
    """The folder of a finished reading, read in a process of its own."""
    out = tmp_path_factory.mktemp("read") / "out"
    line = [sys.executable, str(REPOSITORY / "scripts" / "read.py")]
    # quoted, because Hydra's grammar has its own meaning for brackets
    settings = arguments({"run": run_dir, "video": f"'{film}'", "out": out, **FEW})
    done = subprocess.run([*line, *settings], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def test_a_reading_leaves_frames_and_events(read, run_dir, film):
    frames, events, facts = results(read)
    findings = read_run(run_dir).findings
    assert frames["frame"].tolist() == list(range(100))
    assert frames["video"].unique().tolist() == [film.name]
    np.testing.assert_allclose(frames["seconds"], np.arange(100) / 2)
    assert frames["readable"].all()
    numbers = ["logit", "probability", "smoothed", "predictive_entropy", "mutual_information"]
    columns = [f"{name}_{finding}" for name in numbers for finding in findings]
    assert frames[columns + ["knn_distance", "visible", "bile", "bubbles", "dark", "blur"]].notna().all(axis=None)
    assert (events["video"], events["n_frames"], events["n_unreadable"]) == (film.name, 100, 0)
    assert events["findings"] == findings
    assert set(events["thresholds"]) == set(findings)
    assert events["events"], "the small run finds something in every video"
    for event in events["events"]:
        inside = frames.iloc[event["first"] : event["last"] + 1]
        assert event["peak"] == pytest.approx(inside[f"probability_{event['finding']}"].max())
        assert event["best"] == inside[f"probability_{event['finding']}"].idxmax()
        assert inside[f"smoothed_{event['finding']}"].max() >= events["thresholds"][event["finding"]] - 1e-6
    suspicion = [event["suspicion"] for event in events["events"]]
    assert suspicion == sorted(suspicion, reverse=True)
    assert set(frames["event"]) <= set(range(len(events["events"]) + 1))
    shown = [event["best"] for event in events["events"]]
    assert events["moments"], "not every frame is near the best one of an event"
    for moment in events["moments"]:
        assert all(abs(moment["best"] - other) > 3 for other in shown)
        assert (read / "pictures" / f"frame_{moment['best']:06d}.jpg").exists()
        shown.append(moment["best"])
    assert facts["n_events"] == len(events["events"])
    assert facts["problems"] == []
    assert "Research use only" in facts["notice"] == events["notice"]
    page = (read / "reading.html").read_text()
    assert "Research use only" in page
    assert "&lt;img src=x" in page
    assert "<img src=x" not in page  # the video's name is text, and no script


def test_events_are_pictured_and_annotated(read, run_dir):
    frames, told, facts = results(read)
    coco = json.loads((read / "events_coco.json").read_text())
    assert [category["name"] for category in coco["categories"]] == read_run(run_dir).findings
    assert sorted(one["id"] for one in coco["annotations"]) == [one["event"] for one in told["events"]]
    images = {image["id"]: image for image in coco["images"]}
    events = {event["event"]: event for event in told["events"]}
    for one in coco["annotations"]:
        event, image = events[one["id"]], images[one["image_id"]]
        assert image["frame"] == event["best"]
        assert coco["categories"][one["category_id"] - 1]["name"] == event["finding"]
        left, top, width, height = one["bbox"]
        assert 0 <= left < left + width <= image["width"] == 48
        assert 0 <= top < top + height <= image["height"] == 48
        assert one["area"] == width * height
        assert read_frame(read / image["file_name"]).shape == (48, 48, 3)
        for near in range(max(0, event["best"] - 2), min(100, event["best"] + 3)):
            assert (read / "pictures" / f"frame_{near:06d}.jpg").exists()
        if one["bbox_from"] == "heatmap":
            heat = cv2.imread(str(read / "pictures" / f"heat_{event['best']:06d}_{event['finding']}.png"), -1)
            assert heat.shape == (48, 48, 4)
    assert facts["without_heatmaps"] is None
    assert any(one["bbox_from"] == "heatmap" for one in coco["annotations"])


def test_frames_are_read_as_they_are_evaluated(command, run_dir, tmp_path):
    run = read_run(run_dir)
    table = run.frames("test").head(20)
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, path in enumerate(table["path"]):
        (folder / f"{number}.jpg").write_bytes((run.dir.parent / run.config.data.root / path).read_bytes())
    status, _, err = command(
        "read.py", run=run_dir, video=folder, out=tmp_path / "out", calibration="none", precision="fp32", **FEW
    )
    assert status == 0, err
    frames, _, _ = results(tmp_path / "out")
    expected, _, _ = predict(
        run.learner(), table, run.config.data.root, image_size=run.config.data.image_size, precision="fp32"
    )
    for finding in run.findings:
        np.testing.assert_allclose(frames[f"logit_{finding}"], expected[f"logit_{finding}"], atol=1e-4)
        np.testing.assert_allclose(frames[f"probability_{finding}"], expected[f"probability_{finding}"], atol=1e-4)
    assert frames["seconds"].isna().all()


def test_only_the_findings_that_are_asked_for_make_events(command, run_dir, film, read, tmp_path):
    # the frames of another reading are used again
    shutil.copytree(read / "parts", tmp_path / "out" / "parts")
    video, settings = f"'{film}'", {"findings": "[polyp]", "thresholds": "{polyp:0.01}", "pictures": 1}
    status, _, err = command("read.py", run=run_dir, video=video, out=tmp_path / "out", **FEW, **settings)
    assert status == 0, err
    frames, events, facts = results(tmp_path / "out")
    assert facts["frames_this_session"] == 0
    assert events["thresholds"] == {"polyp": 0.01}
    assert {event["finding"] for event in events["events"]} == {"polyp"}
    assert "smoothed_bleeding" not in frames
    assert facts["n_events_pictured"] == 1 <= len(events["events"])


def test_an_unreadable_frame_is_listed_and_empty(command, run_dir, film, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, (frame, _) in enumerate(phantom(patient_seed=3, device="phantom_1", n_frames=10, size=48)):
        cv2.imwrite(str(folder / f"{number}.png"), frame[..., ::-1])
    (folder / "4.png").write_bytes(b"broken")
    status, _, err = command("read.py", run=run_dir, video=folder, out=tmp_path / "out", **FEW)
    assert status == 0, err
    frames, events, facts = results(tmp_path / "out")
    assert np.flatnonzero(~frames["readable"]).tolist() == [4]
    assert frames.loc[4].drop(["video", "frame", "readable", "problem", "seconds", "event"]).isna().all()
    assert events["n_unreadable"] == facts["n_unreadable"] == 1
    assert facts["problems"] == [
        "frame 4: cannot read frame 4.png: it is not an image. Replace it, or leave it out of the manifest."
    ]


def test_a_killed_reading_goes_on_where_it_was(command, run_dir, film, read, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART", 32)
    out = tmp_path / "out"
    settings = {"run": run_dir, "video": f"'{film}'", "out": out, **FEW}
    write, written = parts.Parts._write, []

    def dies(self, number, pieces):
        if number == 2:
            raise KeyboardInterrupt
        write(self, number, pieces)

    monkeypatch.setattr(parts.Parts, "_write", dies)
    assert command("read.py", **settings)[0] == 130
    assert not (out / "reading.json").exists()
    before = {file: file.stat().st_mtime_ns for file in (out / "parts").glob("part_*")}
    assert len(before) == 2
    monkeypatch.setattr(parts.Parts, "_write", lambda self, n, pieces: (written.append(n), write(self, n, pieces)))
    status, _, err = command("read.py", **settings)
    assert status == 0, err
    assert written == [2, 3]
    assert all(file.stat().st_mtime_ns == time for file, time in before.items())
    pd.testing.assert_frame_equal(results(out)[0], results(read)[0])
    assert results(out)[1] == results(read)[1]


def test_bad_input_is_one_line(command, run_dir, film, read, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty").mkdir()
    shutil.copytree(read / "pictures", tmp_path / "mine" / "pictures")
    good = {"run": run_dir, "video": f"'{film}'", "out": tmp_path / "out", **FEW}
    for settings, says in (
        ({"video": tmp_path / "text.mp4"}, "is not a video"),
        ({"video": tmp_path / "none.mp4"}, "there is no video"),
        ({"video": tmp_path / "empty"}, "holds no image"),
        ({"run": tmp_path}, "is not a run"),
        ({"run": f"[{run_dir}]"}, "by one run"),
        ({"out": film.parent}, "the video's own folder"),
        ({"video": film.parent, "out": film.parent / "deep" / "out"}, "the video's own folder"),
        ({"out": run_dir}, "is the run"),
        ({"video": tmp_path / "mine" / "pictures", "out": tmp_path / "mine"}, "choose another folder"),
        ({"out": tmp_path / "mine"}, "no reading has made it"),
        ({"video": 2024}, "there is no video 2024"),
        ({"moments": -1}, "moments=-1"),
        ({"out": "null"}, "out=None is not possible"),
        ({"video": "null"}, "video=None is not possible"),
        ({"out": read, "passes": 4}, "a reading with another passes"),
        ({"batch_size": 48}, "batch_size=48"),
        ({"passes": -1}, "passes=-1"),
        ({"another": 0}, "another=0"),
        ({"frames_per_second": 0}, "frames_per_second=0"),
        ({"smoothing": "magic"}, "smoothing='magic'"),
        ({"smoothing": "sequence"}, "needs sequence=FILE"),
        ({"sequence": "best.ckpt"}, "goes with it"),
        ({"smoothing": "sequence", "sequence": "none.ckpt"}, "there is no checkpoint none.ckpt"),
        ({"calibration": "magic"}, "calibration='magic'"),
        ({"thresholds": "{dragon:0.5}"}, "dragon"),
        ({"precision": "fp8"}, "precision='fp8'"),
        ({"engine": "warp"}, "engine=warp"),
        ({"findings": "[dragon]"}, "there is no 'dragon'"),
        ({"findings": "[]"}, "findings=[]"),
    ):
        status, _, err = command("read.py", **{**good, **settings})
        assert status == 1, says
        assert says in " ".join(err.split()), says
        assert "Traceback" not in err
        assert err.count("error:") == 1
    assert not (tmp_path / "out" / "reading.json").exists()
    assert len(list((tmp_path / "mine").rglob("*.jpg"))) == len(list((read / "pictures").glob("*.jpg")))
    assert (read / "reading.json").exists()
