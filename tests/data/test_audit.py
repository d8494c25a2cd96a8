"""The audit finds what is wrong, counts it once, and says nothing about what is right."""

import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import matthews_corrcoef

from capsight.data.audit import audit, audit_hashed, audit_manifest, describe, device_entanglement
from capsight.data.hashes import hash_frames, read_hashes, write_hashes
from capsight.errors import UserError

KEYS = {
    "n_frames",
    "n_patients",
    "n_videos",
    "patients_across_splits",
    "videos_across_splits",
    "identical_across_splits",
    "near_identical_across_splits",
    "conflicting_labels",
    "findings_with_few_patients",
    "device_entanglement",
    "unreadable",
    "ok",
}


def picture(seed):
    noise = np.random.default_rng(seed).normal(size=(96, 96, 3))
    smooth = sum(width * cv2.GaussianBlur(noise, (0, 0), width) for width in (8, 2))
    return np.clip(120 + 30 * smooth / smooth.std(), 0, 255).astype(np.uint8)


@pytest.fixture
def clean(tmp_path):
    """12 frames of 6 patients, two each, on three sides; nothing is wrong with them."""
    table = pd.DataFrame(
        {
            "path": pd.Series([f"{i}.jpg" for i in range(12)], dtype="string"),
            "patient": pd.Series([f"p{i // 2}" for i in range(12)], dtype="string"),
            "video": pd.Series([f"v{i // 2}" for i in range(12)], dtype="string"),
            "frame": pd.Series([i % 2 for i in range(12)], dtype="Int64"),
            "device": pd.Series(["a"] * 12, dtype="string"),
            "split": pd.Series(["train"] * 6 + ["val"] * 4 + ["test"] * 2, dtype="string"),
            "polyp": pd.Series([1, 0] * 6, dtype="Int8"),
        }
    )
    for number, path in enumerate(table["path"]):
        cv2.imwrite(str(tmp_path / path), picture(number))
    return table


def aside(**columns):
    row = {"path": "copy.jpg", "split": "train", "kept": "0.jpg", "reason": "byte-identical copy", "polyp": 1}
    return pd.DataFrame([row | columns])


def test_a_clean_set_is_ok(clean, tmp_path):
    result = audit(clean, tmp_path)
    assert set(result) >= KEYS
    assert result == json.loads(json.dumps(result))
    assert result["ok"] and result["warnings"] == [] and result["unreadable"] == []
    assert (result["n_frames"], result["n_patients"], result["n_videos"]) == (12, 6, 6)
    assert not any(result[key] for key in KEYS if "across" in key)
    assert result["conflicting_labels"] == 0 and result["findings_with_few_patients"] == []
    assert result["device_entanglement"] == 0
    assert [level for level, _ in describe(result)] == ["info", "info"]


def test_a_patient_and_a_video_on_two_sides(clean, tmp_path):
    clean.loc[1, ["video", "split"]] = ["v_other", "test"]
    result = audit(clean, tmp_path)
    assert (result["patients_across_splits"], result["videos_across_splits"]) == (1, 0)
    assert not result["ok"]
    clean.loc[:1, ["patient", "video"]] = [["p0", "v0"], ["p_other", "v0"]]
    result = audit(clean, tmp_path)
    assert (result["patients_across_splits"], result["videos_across_splits"]) == (0, 1)
    assert result["neighbours_across_splits"] == 1
    assert not result["ok"]


@pytest.mark.parametrize("source, copy", [(0, 11), (11, 0), (0, 7), (7, 10)])
def test_a_copy_on_two_sides_counts_once(clean, tmp_path, source, copy):
    shutil.copy(tmp_path / f"{source}.jpg", tmp_path / f"{copy}.jpg")
    result = audit(clean, tmp_path)
    assert (result["identical_across_splits"], result["near_identical_across_splits"]) == (1, 0)
    assert not result["ok"]


def test_a_compressed_copy_on_two_sides_counts_once(clean, tmp_path):
    cv2.imwrite(str(tmp_path / "11.jpg"), picture(0), [cv2.IMWRITE_JPEG_QUALITY, 60])
    result = audit(clean, tmp_path)
    assert (result["identical_across_splits"], result["near_identical_across_splits"]) == (0, 1)
    assert not result["ok"]


def test_copies_on_one_side_or_out_of_use_are_no_leak(clean, tmp_path):
    shutil.copy(tmp_path / "0.jpg", tmp_path / "3.jpg")
    shutil.copy(tmp_path / "0.jpg", tmp_path / "10.jpg")
    cv2.imwrite(str(tmp_path / "11.jpg"), picture(0), [cv2.IMWRITE_JPEG_QUALITY, 60])
    clean.loc[clean["patient"] == "p5", "split"] = pd.NA
    assert audit(clean, tmp_path)["ok"]


def test_black_frames_are_not_copies(clean, tmp_path):
    for number in (0, 11):
        noise = np.random.default_rng(number).integers(0, 4, (96, 96, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), noise)
    assert audit(clean, tmp_path)["ok"]


def test_identical_frames_with_different_findings(clean, tmp_path):
    for copy in (1, 2, 3):  # 0 and 2 have a polyp, 1 and 3 have none
        shutil.copy(tmp_path / "0.jpg", tmp_path / f"{copy}.jpg")
    assert audit(clean, tmp_path)["conflicting_labels"] == 1
    clean.loc[:3, "polyp"] = 1
    assert audit(clean, tmp_path)["conflicting_labels"] == 0


def test_copies_that_were_set_aside_count(clean, tmp_path):
    assert audit(clean, tmp_path, aside())["ok"]
    assert audit(clean, tmp_path, aside(split=pd.NA))["ok"]
    result = audit(clean, tmp_path, aside(split="val"))
    assert (result["identical_across_splits"], result["patients_across_splits"]) == (1, 1)
    assert (result["n_frames"], result["n_set_aside"], result["ok"]) == (12, 1, False)
    assert audit(clean, tmp_path, aside(polyp=0))["conflicting_labels"] == 1
    assert audit(clean, tmp_path, aside(polyp=0, worms=1))["conflicting_labels"] == 1


def test_a_kept_frame_that_is_listed_too_is_as_published(clean, tmp_path):
    """Kept as normal, set aside as polyp: the merged frame has the polyp, the publisher's had not."""
    both = pd.concat([aside(), aside(path="0.jpg", polyp=0)])
    result = audit(clean, tmp_path, both)
    assert (result["conflicting_labels"], result["n_set_aside"]) == (1, 1)


def test_unreadable_frames_are_listed(clean, tmp_path):
    data = (tmp_path / "3.jpg").read_bytes()
    (tmp_path / "3.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "5.jpg").write_bytes(b"")
    (tmp_path / "7.jpg").unlink()
    (tmp_path / "9.jpg").write_text("no picture")
    (tmp_path / "11.jpg").write_text("no picture")  # identical, but nothing to train on
    clean.loc[9, "split"] = "train"
    clean.loc[9, ["patient", "video"]] = "p9"
    result = audit(clean, tmp_path)
    assert result["unreadable"] == ["3.jpg", "5.jpg", "7.jpg", "9.jpg", "11.jpg"]
    assert sum("cannot be read" in text for _, text in describe(result)) == 5


def test_a_wrong_root_is_said(clean, tmp_path):
    with pytest.raises(UserError, match="check root"):
        audit(clean, tmp_path / "elsewhere")


def test_findings_with_few_patients(clean, tmp_path):
    clean["ulcer"] = (clean["patient"].isin(["p0", "p1"])).astype("Int8")
    clean["erosion"] = (clean["patient"].isin(["p0", "p1", "p2"])).astype("Int8")
    assert audit(clean, tmp_path)["findings_with_few_patients"] == ["ulcer"]


def labelled(**columns):
    table = pd.DataFrame(columns)
    table["device"] = table["device"].astype("string")
    return table.assign(path="", patient="", video="", frame=0)


def test_entanglement_of_two_devices_is_the_correlation():
    rng = np.random.default_rng(0)
    device = rng.integers(0, 2, 200)
    polyp = (rng.random(200) < 0.2 + 0.5 * device).astype(int)
    (pair,) = device_entanglement(labelled(device=np.array(["a", "b"])[device], polyp=polyp))
    assert pair["number"] == pytest.approx(abs(matthews_corrcoef(device, polyp)))
    assert (pair["finding"], pair["device"]) == ("polyp", "b")


def test_entanglement_is_none_all_or_not_to_be_told():
    known = {
        "device": ["a", "a", "b", "b"],
        "free": [1, 0, 1, 0],
        "bound": [1, 1, 0, 0],
        "only_a": [1, 0, None, None],
        "absent": [0, 0, 0, 0],
    }
    pairs = {pair["finding"]: pair for pair in device_entanglement(labelled(**known))}
    assert {name: pair["number"] for name, pair in pairs.items()} == {"free": 0, "bound": 1, "only_a": 1}
    assert [name for name, pair in pairs.items() if pair["known_from_one_device"]] == ["only_a"]
    assert device_entanglement(labelled(device=["a", "a"], polyp=[1, 0])) == []


def test_hashes_that_were_kept_give_the_same_audit(clean, tmp_path):
    clean["split"] = ["train", "test"] * 6
    (tmp_path / "3.jpg").write_bytes((tmp_path / "2.jpg").read_bytes())
    (tmp_path / "5.jpg").write_bytes(b"no picture")
    file = tmp_path / "hashes.parquet"
    write_hashes(file, clean["path"], hash_frames(clean["path"], tmp_path))
    expected = audit(clean, tmp_path)
    assert audit_hashed(clean, read_hashes(file, clean["path"])) == expected
    some = clean.iloc[[7, 5, 2, 3]].reset_index(drop=True)  # other rows, in another order
    assert audit_hashed(some, read_hashes(file, some["path"])) == audit(some, tmp_path)
    assert (expected["identical_across_splits"], expected["unreadable"]) == (1, ["5.jpg"])


def test_hashes_of_other_frames_are_refused(clean, tmp_path):
    file = tmp_path / "hashes.parquet"
    write_hashes(file, clean["path"][1:], hash_frames(clean["path"][1:], tmp_path))
    with pytest.raises(UserError, match="lacks 1 of the frames, such as 0.jpg; audit without hashes="):
        read_hashes(file, clean["path"])
    file.write_text("no table")
    with pytest.raises(UserError, match="cannot read the hashes .*hashes.parquet"):
        read_hashes(file, clean["path"])
    with pytest.raises(UserError, match="cannot read the hashes"):
        read_hashes(tmp_path / "nowhere.parquet", clean["path"])


def test_warnings(clean, tmp_path):
    unsplit = audit(clean.drop(columns="split"), tmp_path)
    assert unsplit["ok"] and "no split" in " ".join(unsplit["warnings"])
    guessed = audit(clean.assign(patient_from="neighbouring frames"), tmp_path)
    assert "12 frames is a guess" in " ".join(guessed["warnings"])
    by_frame = clean.assign(split=pd.Series(["train", "val"] * 6, dtype="string"))
    assert "by frame" in " ".join(audit(by_frame, tmp_path)["warnings"])
    assert "6 frames have their direct neighbour" in " ".join(audit(by_frame, tmp_path)["warnings"])
    unknown = clean.assign(patient=pd.Series(pd.NA, index=clean.index, dtype="string"))
    assert "12 frames is unknown" in " ".join(audit(unknown, tmp_path)["warnings"])


def test_published_split_of_real_frames(shared_data):
    """Capsule Vision 2024 was split by frame: its Kvasir polyps are of one video, on both sides."""
    root = shared_data / "capsule_vision_2024" / "Dataset"
    files = sorted(root.glob("*/Polyp/KVASIR/*.jpg"))
    table = pd.DataFrame({"path": [file.relative_to(root).as_posix() for file in files]}, dtype="string")
    table["split"] = (
        table["path"].str.split("/").str[0].map({"training": "train", "validation": "val"}).astype("string")
    )
    table["patient"] = table["video"] = table["path"].str.extract(r"/(\w+)_\d+\.jpg$")[0]
    table["frame"] = table["path"].str.extract(r"_(\d+)\.jpg$")[0].astype("Int64")
    result = audit(table.assign(device="endocapsule", polyp=1), root)
    assert (result["patients_across_splits"], result["videos_across_splits"], result["ok"]) == (1, 1, False)
    assert result["neighbours_across_splits"] > 0 and result["findings_with_few_patients"] == ["polyp"]


def test_a_manifest_alone_tells_all_but_what_stands_in_the_pixels(clean, tmp_path):
    clean.loc[3, "patient"] = "p5"
    whole, alone = audit(clean, tmp_path), audit_manifest(clean)
    pixels = {"n_set_aside", "identical_across_splits", "near_identical_across_splits", "conflicting_labels"}
    assert whole.keys() - alone.keys() == pixels | {"unreadable", "ok"}
    assert alone == {key: whole[key] for key in alone}
    assert alone["patients_across_splits"] == 1
    assert not any(line.startswith("ok") for _, line in describe(alone))
