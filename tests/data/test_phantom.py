from functools import partial
from itertools import islice

import cv2
import numpy as np
import pandas as pd
import pytest

from capsight.data.manifest import finding_columns, read_manifest, write_manifest
from capsight.data.phantom import DEVICES, FINDINGS, camera, make_phantom, video
from capsight.data.phantom.dataset import TOLD
from capsight.data.phantom.devices import view_mask
from capsight.data.phantom.findings import plan
from capsight.errors import UserError

SMALL = {
    "devices": ("phantom_1", "phantom_3"),
    "patients_per_device": 2,
    "frames_per_patient": 8,
    "size": 48,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantom")
    return root, make_phantom(root, **SMALL, seed=3)


def test_the_table_says_what_the_files_hold(made):
    root, table = made
    assert len(table) == 2 * 2 * 8
    assert table["patient"].nunique() == table["video"].nunique() == 4
    for row in table.itertuples():
        frame = cv2.imread(str(root / row.path))
        assert frame.shape == (48, 48, 3)
        for finding in FINDINGS:
            file = root / str(row.mask).replace("{finding}", finding)
            label = getattr(row, finding)
            assert file.is_file() == (label is pd.NA or label == 1)  # 0 only where there is nothing of it
            if file.is_file():
                mask = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
                assert set(np.unique(mask)) == {0, 255}
                if label is pd.NA:  # too little to be told, of the part of the frame that is the view
                    assert 0 < (mask > 0).mean() <= TOLD
    assert table[list(FINDINGS)].isna().any(axis=None)
    nothing = table[list(FINDINGS)].eq(0).fillna(False).all(axis=1)
    assert table.loc[nothing, "mask"].isna().all()
    files = {file.relative_to(root).as_posix() for file in root.rglob("*.jpg")}
    assert files == set(table["path"])


def test_the_table_is_a_manifest(made, tmp_path):
    write_manifest(made[1], tmp_path / "manifest.csv")
    table = read_manifest(tmp_path / "manifest.csv")
    assert set(finding_columns(table)) == set(FINDINGS)
    assert (table["path"] == made[1]["path"]).all()


def test_same_seed_same_bytes_and_more_patients_change_nothing(made, tmp_path):
    root, table = made
    again = make_phantom(tmp_path, **{**SMALL, "devices": ("phantom_3",), "patients_per_device": 3}, seed=3)
    both = table[table["device"] == "phantom_3"].reset_index(drop=True)
    assert again.iloc[: len(both)].equals(both)
    for file in (tmp_path / "phantom_3" / "phantom_3_p001").iterdir():
        assert file.read_bytes() == (root / file.relative_to(tmp_path)).read_bytes()


def test_another_seed_is_another_patient():
    first, second = (next(video(patient_seed=s, device="phantom_1", n_frames=1, size=48))[0] for s in (0, 1))
    assert np.abs(first.astype(int) - second).mean() > 5


def test_a_long_video_comes_frame_by_frame_and_begins_like_a_shorter_one():
    long = list(islice(video(patient_seed=2, device="phantom_2", n_frames=10**9, size=32), 3))
    short = list(islice(video(patient_seed=2, device="phantom_2", n_frames=80, size=32), 3))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(long, short, strict=True))


def test_the_bowel_goes_on_without_a_jump_where_a_block_ends():
    frames = [f.astype(int) for f, _ in video(patient_seed=7, device="phantom_5", n_frames=84, size=32)]
    steps = np.array([np.abs(a - b).mean() for a, b in zip(frames[70:], frames[71:], strict=False)])
    assert steps[80 - 71] < 2 * np.median(steps)


def test_neighbouring_frames_look_alike_and_findings_stay_a_while():
    frames, masks = zip(*video(patient_seed=7, device="phantom_1", n_frames=80, size=48), strict=True)
    frames = np.stack(frames).astype(int)
    near, far = (np.abs(frames[step:] - frames[:-step]).mean() for step in (1, 30))
    assert near < 0.75 * far
    seen = np.array([[finding in mask for finding in FINDINGS] for mask in masks])
    comes = np.count_nonzero(seen[1:] & ~seen[:-1]) + seen[0].sum()
    assert seen.sum() / comes >= 4


@pytest.mark.parametrize("device", DEVICES)
def test_masks_lie_in_the_view_and_text_outside_of_it(device):
    view = view_mask(DEVICES[device].shape, 64)
    for frame, masks in video(patient_seed=7, device=device, n_frames=6, size=64):
        assert frame.shape == (64, 64, 3) and frame.dtype == np.uint8
        assert all(mask.shape == (64, 64) and not mask[~view].any() for mask in masks.values())
        assert frame[~view].any() == bool(DEVICES[device].text)
        assert frame[view].mean() > 20


def test_three_of_five_patients_have_polyps_and_three_bleed():
    for first in range(0, 50, 5):
        plans = [plan(seed) for seed in range(first, first + 5)]
        assert sum(p["polyp"] for p in plans) == sum(p["bleeding"] for p in plans) == 3


def test_blood_is_darker_and_redder_than_the_wall_around_it():
    inside, outside = [], []
    for seed in range(4):
        for frame, masks in video(patient_seed=seed, device="phantom_1", n_frames=10, size=64):
            if "bleeding" in masks:
                ring = cv2.dilate(masks["bleeding"].astype(np.uint8), np.ones((9, 9))) > masks["bleeding"]
                inside.append(frame[masks["bleeding"]].mean(0))
                outside.append(frame[ring & (frame.sum(-1) > 0)].mean(0))
    inside, outside = np.mean(inside, 0), np.mean(outside, 0)
    assert inside.sum() < outside.sum()
    assert inside[0] / inside[1] > 1.1 * outside[0] / outside[1]


def test_devices_differ_in_colour():
    means = {}
    for device in DEVICES:
        frame = next(video(patient_seed=1, device=device, n_frames=1, size=48))[0]
        colour = frame[16:32, 16:32].mean((0, 1))
        means[device] = colour / colour.sum()
    names = list(DEVICES)
    apart = [np.abs(means[a] - means[b]).sum() for i, a in enumerate(names) for b in names[:i]]
    assert min(apart) > 0.01 and max(apart) > 0.3


@pytest.mark.parametrize(
    "wrong",
    [
        {"devices": ("phantom_9",)},
        {"devices": ()},
        {"devices": "phantom_1"},
        {"size": 31},
        {"patients_per_device": 0},
        {"frames_per_patient": 0},
        {"seed": -1},
    ],
)
def test_bad_arguments_are_one_line(tmp_path, wrong):
    with pytest.raises(UserError) as error:
        make_phantom(tmp_path / "new", **{**SMALL, **wrong})
    assert "\n" not in str(error.value)
    assert not (tmp_path / "new").exists()


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make the folder"):
        make_phantom(tmp_path / "file", **SMALL)


def test_rays_that_stray_are_followed_in_pieces(monkeypatch):
    draw = partial(video, patient_seed=3, device="phantom_1", n_frames=1, size=64)
    whole, _ = next(iter(draw()))
    monkeypatch.setattr(camera, "MOST_ROWS", 7)
    pieces, _ = next(iter(draw()))
    np.testing.assert_array_equal(pieces, whole)
