"""Parts of frames: the centre holds no border, the border no tissue, and both say what they should of the device."""

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from capsight.data.device_views import VIEWS, device_views, inscribed_square, part_features, parts_of
from capsight.data.view import field_of_view
from capsight.errors import UserError


def frame(shape="round", seed=0, text=True, size=128):
    rng = np.random.default_rng(seed)
    tissue = cv2.resize(rng.integers(90, 220, (8, 8, 3), dtype=np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)
    view = np.zeros((size, size), np.uint8)
    if shape == "round":
        cv2.circle(view, (size // 2, size // 2), 56, 1, -1)
    else:
        cv2.rectangle(view, (10, 10), (size - 11, size - 11), 1, -1)
    image = cv2.copyTo(np.clip(tissue, 60, 255), view)
    if text:
        cv2.putText(image, "12:30", (2, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.3, (255, 255, 255), 1)
    return image


def test_the_square_is_the_largest_inside_the_view():
    view = field_of_view(frame("round"))
    rows, columns = inscribed_square(view)
    assert view[rows, columns].all()
    side = rows.stop - rows.start
    assert side == columns.stop - columns.start
    assert side == pytest.approx(56 * np.sqrt(2), abs=5)
    wider = slice(rows.start - 2, rows.stop + 2), slice(columns.start - 2, columns.stop + 2)
    assert not view[wider].all()
    everything = np.ones((50, 80), bool)
    assert everything[inscribed_square(everything)].shape == (50, 50)


def test_the_centre_knows_nothing_of_border_and_text_and_the_border_nothing_of_tissue():
    plain, written = parts_of(frame(text=False)), parts_of(frame(text=True))
    assert np.array_equal(plain["centre"], written["centre"])
    assert not np.array_equal(plain["border"], written["border"])
    other = parts_of(frame(seed=1, text=False))
    assert not np.array_equal(plain["centre"], other["centre"])
    view = field_of_view(frame())
    assert (plain["border"][view] == 128).all()


def test_features_follow_colour_and_detail():
    flat = np.full((40, 40, 3), (200, 100, 50), np.uint8)
    noisy = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    assert part_features(flat)[:3] == pytest.approx(np.array([200, 100, 50]) / 255, abs=0.01)
    assert part_features(flat)[-18:].max() < 1e-6 < part_features(noisy)[-18:].min()
    assert part_features(flat).shape == part_features(noisy[:20]).shape


def test_draws_few_frames_of_few_patients_of_every_device(tmp_path):
    rows = []
    for device, shape in (("A", "round"), ("B", "cut")):
        for patient in range(4):
            for number in range(5):
                path = f"{device}{patient}{number}.png"
                Image.fromarray(frame(shape, seed=len(rows))).save(tmp_path / path)
                rows.append({"path": path, "patient": f"{device}{patient}", "device": device})
    rows.append({"path": "missing.png", "patient": "x", "device": pd.NA})  # an unknown device is not read
    table = pd.DataFrame(rows).astype("string")
    frames, views = device_views(table, tmp_path, patients=3, frames=2)
    assert frames.groupby("device")["patient"].nunique().to_dict() == {"A": 3, "B": 3}
    assert frames.groupby("patient").size().tolist() == [2] * 6
    assert list(views) == list(VIEWS)
    assert {features.shape[0] for features in views.values()} == {12}
    again, same = device_views(table.sample(frac=1, random_state=1), tmp_path, patients=3, frames=2)
    assert set(again["patient"]) == set(frames["patient"])
    assert all(np.isfinite(features).all() for features in same.values())

    # a frame that cannot be read is an error, unless such frames are skipped; and there may be nothing to look at
    lost = table[table["patient"] == frames["patient"].iloc[0]]
    for path in lost["path"]:
        (tmp_path / path).write_bytes(b"")
    with pytest.raises(UserError, match="cannot read frame"):
        device_views(table, tmp_path, patients=3, frames=2)
    rest, views = device_views(table, tmp_path, patients=3, frames=2, on_bad_frame="skip")
    assert rest["patient"].tolist() == frames["patient"].tolist()[2:]
    assert {features.shape[0] for features in views.values()} == {10}
    assert device_views(table.assign(patient=pd.NA), tmp_path) is None
    assert device_views(lost, tmp_path, on_bad_frame="skip") is None
