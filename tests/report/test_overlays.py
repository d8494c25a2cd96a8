"""Maps over frames: what is coloured, by how much, where it lies, and what is said where there is nothing."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from capsight.errors import UserError
from capsight.report.overlays import (
    BAR,
    COLOURS,
    OPAQUE,
    SIDE,
    bare,
    common_scale,
    heat,
    hot_box,
    overlay,
    picture_uri,
    side_by_side,
)

TISSUE = (180, 90, 60)


def tissue(height=64, width=64):
    return np.full((height, width, 3), TISSUE, np.uint8)


def on_frame(picture):
    """The picture without its scale, as differences from the tissue."""
    return np.abs(picture[:-BAR].astype(int) - TISSUE).sum(axis=2)


def brightest(picture):
    """Where the last colour, yellow, is strongest: (row, column)."""
    green = picture[:-BAR, :, 1]
    return np.argwhere(green == green.max()).mean(axis=0)


def blob(side=64, row=16, column=48):
    rows, columns = np.mgrid[:side, :side]
    return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 50)


def test_the_strongest_evidence_has_the_last_colour_and_lets_the_frame_shine_through():
    flat = overlay(tissue(), np.full((4, 4), 2.0), vmax=1.0)[:-BAR]
    expected = (1 - OPAQUE) * np.array(TISSUE) + OPAQUE * 255 * np.array(COLOURS(1.0)[:3])
    inner = flat[4:-4, 4:-4].reshape(-1, 3)  # without the line around it
    assert np.abs(inner - expected).max() <= 1


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_evidence_of_zero_or_against_the_finding_leaves_the_frame_as_it_is(value):
    map = np.full((8, 8), value)
    map[0, 0] = 1.0
    assert on_frame(overlay(tissue(), map, vmax=1.0))[80:, 80:].max() == 0


def test_more_evidence_covers_more():
    ramp = np.tile(np.linspace(0, 1, 64), (64, 1))
    changed = on_frame(overlay(tissue(), ramp, vmax=1.0))[160]
    assert changed[10] < changed[70] < changed[130]


def test_the_map_lies_where_it_belongs():
    assert brightest(overlay(tissue(), blob(), vmax=1.0)) == pytest.approx([16.5 * 5, 48.5 * 5], abs=3)


def test_a_square_map_over_an_oblong_frame_lies_over_its_padding_too():
    frame = tissue(32, 64)  # rows 16 to 48 of the padded square
    centre = overlay(frame, blob(row=32, column=40), vmax=1.0)
    assert centre.shape == (SIDE // 2 + BAR, SIDE, 3)
    assert brightest(centre) == pytest.approx([16.5 * 5, 40.5 * 5], abs=3)
    assert (
        on_frame(overlay(frame, blob(row=2, column=32), vmax=1.0))[20:].max() < 12
    )  # on the padding: not in the frame


def test_one_scale_for_all_frames_does_not_turn_noise_into_evidence():
    rng = np.random.default_rng(0)
    found = [blob() for _ in range(20)]
    noise = [0.02 * rng.random((64, 64)) for _ in range(20)]
    scale = common_scale(found + noise)
    assert scale == pytest.approx(np.quantile([np.quantile(map, 0.99) for map in found + noise], 0.95))
    assert on_frame(overlay(tissue(), noise[0], vmax=scale)).mean() < 8
    assert on_frame(overlay(tissue(), noise[0], vmax=noise[0].max())).mean() > 50  # its own scale would


def test_without_evidence_anywhere_there_is_no_scale():
    assert common_scale([np.full((4, 4), -1.0), np.zeros((4, 4))]) is None
    assert common_scale([]) is None
    assert common_scale([np.full((4, 4), np.nan), np.full((4, 4), 2.0)]) == 2.0


@pytest.mark.parametrize(
    ("map", "vmax"),
    [(np.full((4, 4), np.nan), 1.0), (np.ones((4, 4)), None), (np.ones((4, 4)), np.nan), (-np.ones((4, 4)), 1.0)],
)
def test_without_a_map_the_frame_stays_bare_and_the_reason_stands_beneath(map, vmax):
    picture = overlay(tissue(), map, vmax=vmax)
    assert on_frame(picture).max() == 0
    assert not np.array_equal(picture[-BAR:], bare(tissue())[-BAR:])


def test_the_truth_is_outlined_in_white_on_black_and_its_inside_left_alone():
    truth = np.zeros((64, 64), bool)
    truth[20:40, 20:40] = True
    picture = overlay(tissue(), np.zeros((4, 4)), vmax=1.0, truth=truth)[:-BAR]
    line = picture[150, 90:112].astype(int)  # across the left side
    assert line.sum(axis=1).max() > 600 and line.sum(axis=1).min() < 60
    assert (picture[130:170, 130:170] == TISSUE).all() and (picture[:80] == TISSUE).all()


def test_the_scale_says_where_it_ends_and_what_it_means():
    one, other = (overlay(tissue(), blob(), vmax=vmax)[-BAR:] for vmax in (1.0, 2.0))
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, overlay(tissue(), blob(), vmax=1.0, meaning="spread")[-BAR:])


@pytest.mark.parametrize(
    ("height", "width"), [(96, 96), (336, 336), (576, 576), (120, 200), (200, 120), (320, 320), (3, 1)]
)
def test_every_frame_gets_one_size_and_is_not_changed(height, width):
    frame = tissue(height, width)
    picture = overlay(frame, blob(), vmax=1.0, truth=np.ones((height, width), bool))
    assert max(picture.shape[0] - BAR, picture.shape[1]) == SIDE
    assert picture.shape == bare(frame).shape and picture.dtype == np.uint8
    assert (frame == TISSUE).all()


@pytest.mark.parametrize("shape", [(10, 40), (0, 0), (1, 8, 8)])
def test_a_map_or_mask_of_another_shape_is_refused(shape):
    with pytest.raises(UserError, match="does not lie over a frame of 64 x 64"):
        overlay(tissue(), np.ones(shape), vmax=1.0)
    with pytest.raises(UserError, match="does not lie over"):
        overlay(tissue(), np.ones((8, 8)), vmax=1.0, truth=np.ones(shape, bool))


def test_rows_of_a_sheet_stack():
    rows = [
        side_by_side(tissue(), {"CAM": overlay(tissue(), blob(), vmax=vmax), "<b>": bare(tissue())}) for vmax in (1, 2)
    ]
    assert np.concatenate(rows).dtype == np.uint8
    assert rows[0].shape[1] > 3 * SIDE and (rows[0][0, 0] == 255).all()


def test_a_picture_survives_as_text():
    picture = overlay(tissue(), blob(), vmax=1.0)
    kind, data = picture_uri(picture).split(",")
    assert kind == "data:image/webp;base64"
    again = np.array(Image.open(io.BytesIO(base64.b64decode(data))))
    assert again.shape == picture.shape and np.abs(again.astype(int) - picture).mean() < 6


def test_heat_is_transparent_where_cold_and_lies_over_the_frame():
    frame, map = np.zeros((40, 80, 3), np.uint8), np.zeros((4, 4), np.float32)
    map[:2, 3] = 2.0  # over the padded square: the upper right
    colours = heat(frame, map, vmax=2.0)
    assert colours.shape == (40, 80, 4)
    assert colours[:, :30, 3].max() == 0
    assert colours[5, 75, 3] == round(255 * 0.62)
    assert colours[38, 75, 3] < colours[5, 75, 3] / 2
    assert heat(np.zeros((700, 1400, 3), np.uint8), map, vmax=2.0).shape == (160, 320, 4)
    assert heat(frame, -map, vmax=2.0)[..., 3].max() == 0


def test_a_hot_box_holds_the_strongest_region_only():
    map = np.zeros((8, 8), np.float32)
    map[1:3, 1:3], map[6, 6] = 2.0, 1.5
    left, top, width, height = hot_box(np.zeros((80, 80, 3), np.uint8), map)
    assert left <= 12
    assert top <= 12
    assert left + width in range(28, 36)
    assert top + height in range(28, 36)
    assert hot_box(np.zeros((80, 80, 3), np.uint8), np.zeros((8, 8))) is None
    assert hot_box(np.zeros((80, 80, 3), np.uint8), np.full((8, 8), np.nan)) is None
