"""The picture grids: every pixel of a filter and of a map stands where it belongs; and the picture of a pair."""

import numpy as np
import pytest
from PIL import Image

from capsight.report import network_views as views
from capsight.report.pair_picture import pair_picture
from capsight.report.plots import data_uri

RNG = np.random.default_rng(0)
FRAME = RNG.integers(0, 256, (56, 56, 3), dtype=np.uint8)


def test_the_channels_of_a_filter_share_one_scale():
    filters = np.zeros((2, 3, 2, 2))
    filters[0, 0] = 1  # pure red; scaled by channel it would be black
    filters[0, 1] = 0.5
    filters[1, 2, 0, 0] = -9  # the scale of another filter
    first, second = views.filter_tiles(filters)
    assert first[0, 0].tolist() == [255, 128, 0]
    assert second[0, 0].tolist() == [255, 255, 0] and second[1, 1].tolist() == [255, 255, 255]


def test_filters_of_other_than_three_channels_are_grey():
    (tile,) = views.filter_tiles(RNG.normal(size=(1, 8, 3, 3)))
    assert (tile == tile[..., :1]).all() and tile.min() == 0 and tile.max() == 255


@pytest.mark.parametrize("values", [np.zeros((1, 4, 4)), np.full((1, 4, 4), np.nan), np.full((1, 4, 4), np.inf)])
def test_a_dead_map_is_dark(values):
    (tile,) = views.map_tiles(values)
    assert (tile == views.map_tiles(np.arange(16.0).reshape(1, 4, 4))[0][0, 0]).all()


def test_a_map_is_darkest_where_it_is_smallest():
    (tile,) = views.map_tiles(np.array([[[-3.0, 5.0]]]))
    assert tile[0, 0].sum() < tile[0, 1].sum()


def test_tiles_stand_line_by_line_with_white_between():
    tiles = [np.full((4, 4, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = views.grid(tiles, columns=2)
    side, step = views.TILE, views.TILE + views.GAP
    assert sheet.shape == (side + step, side + step, 3)
    assert [sheet[y, x, 0] for y, x in ((0, 0), (0, step), (step, 0))] == [10, 20, 30]
    assert (sheet[side:step] == 255).all() and (sheet[:, side:step] == 255).all()
    assert (sheet[step:, step:] == 255).all()  # an empty place


@pytest.mark.parametrize("shape", [(3, 3), (7, 7), (11, 11), (64, 64), (112, 112), (2, 4), (300, 1)])
def test_every_tile_has_the_same_size_and_small_ones_only_repeated_pixels(shape):
    tile = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    sheet = views.grid([tile] * 2)
    assert sheet.shape[0] <= views.TILE and max(sheet.shape[0], (sheet.shape[1] - views.GAP) // 2) == views.TILE
    if max(shape) <= views.TILE:
        assert {tuple(c) for c in sheet.reshape(-1, 3)} <= {tuple(c) for c in tile.reshape(-1, 3)} | {(255,) * 3}


@pytest.mark.parametrize("number", [1, 5, 16, 17, 32, 64, 96, 192])
def test_grids_fit_the_page_and_leave_few_places_empty(number):
    sheet = views.grid([np.zeros((5, 5, 3), np.uint8)] * number)
    lines, columns = ((length + views.GAP) // (views.TILE + views.GAP) for length in sheet.shape[:2])
    assert sheet.shape[1] <= views.PAGE - 2 * views.MARGIN
    assert number <= lines * columns < number + columns / 2


def test_one_picture_per_view_and_an_overview(tmp_path):
    maps = {"layer1": RNG.normal(size=(20, 14, 14)), "a/b $x_{ ポ": RNG.normal(size=(3, 2, 4))}
    paths = views.write_network_views(tmp_path, FRAME, RNG.normal(size=(8, 3, 7, 7)), maps, "resnet18")
    assert [path.name for path in paths][:3] == ["overview.png", "filters.png", "01_layer1.png"]
    assert sorted(paths) == sorted(tmp_path.iterdir()) and len(paths) == 4
    for path in paths:
        with Image.open(path) as picture:
            assert picture.width == 2 * views.PAGE  # twice the page's pixels, so each is exactly 2 x 2


def test_pictures_are_drawn_pixel_by_pixel(tmp_path):
    filters = RNG.normal(size=(4, 3, 4, 4))
    path = views._save(views.filters_picture(filters), tmp_path / "filters.png")
    page = np.asarray(Image.open(path).convert("RGB"))
    sheet = views.grid(views.filter_tiles(filters)).repeat(2, axis=0).repeat(2, axis=1)
    top = page.shape[0] - 2 * views.MARGIN - sheet.shape[0]
    left = 2 * views.MARGIN
    assert (page[top : top + sheet.shape[0], left : left + sheet.shape[1]] == sheet).all()


def test_an_overview_says_what_it_leaves_out():
    maps = {f"layer{i}": np.zeros((2, 4, 4)) for i in range(40)}
    page = views.overview(FRAME, RNG.normal(size=(64, 3, 7, 7)), maps)
    texts = [text.get_text() for text in page.texts]
    assert "39 of 64 first-layer filters" in texts
    assert any(text.startswith("16 of 40 layers") for text in texts)
    assert {"layer0", "layer39"} <= set(texts)  # the first and the last are among them


def test_a_pair_has_one_scale_and_says_the_distance():
    map_a, map_b = np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[4.0, -8.0], [5.0, -3.0]])
    figure = pair_picture(FRAME, FRAME, map_a, map_b, squared_distance=4.0, names=("a/" * 50 + "x.jpg", "$y_{ <b>"))
    assert figure.get_suptitle() == "Distance 2"
    drawn = [figure.axes[i].images[1] for i in (1, 3)]
    assert sum(image.get_array().sum() for image in drawn) == pytest.approx(100)  # % of the squared distance
    assert all(image.get_clim() == (-200, 200) for image in drawn)
    assert figure.axes[0].get_title(loc="left").endswith("a/x.jpg")
    assert data_uri(figure).startswith("data:image/svg+xml")


def test_a_frame_and_itself_can_be_drawn():
    nothing = np.zeros((2, 2))
    figure = pair_picture(FRAME, FRAME, nothing, nothing, squared_distance=0.0)
    assert figure.get_suptitle() == "Distance 0"
    assert data_uri(figure)
