"""Images that are no capsule frames: the same for the same seed, and what their name says."""

import numpy as np
import pytest

from capsight.data.outsiders import KINDS, outsiders
from capsight.errors import UserError


@pytest.mark.parametrize("kind", KINDS)
def test_images_follow_the_seed_and_not_their_number(kind):
    images = outsiders(kind, 4, 48, 3)
    assert images.shape == (4, 48, 48, 3)
    assert images.dtype == np.uint8
    assert np.array_equal(outsiders(kind, 2, 48, 3), images[:2])
    assert not np.array_equal(outsiders(kind, 4, 48, 4), images)
    assert len({image.tobytes() for image in images}) == 4


def test_kinds():
    assert list(KINDS) == ["black", "colonoscopy", "non_medical"]


def test_black_images_show_nothing():
    images = outsiders("black", 30, 64, 0).astype(float)
    assert images[np.arange(30) % 3 == 0].mean() < 6
    assert images.mean(axis=(1, 2)).max() < 100
    smoothed = images.reshape(30, 8, 8, 8, 8, 3).mean(axis=(2, 4))  # blocks of 8 x 8 pixels, without their noise
    assert (smoothed.max(axis=(1, 2)) - smoothed.min(axis=(1, 2))).max() < 30
    assert images.std(axis=(1, 2)).min() > 0.1  # but the noise of a sensor


def test_colonoscopy_is_bright_and_red_with_white_reflections_around_a_dark_lumen():
    images = outsiders("colonoscopy", 8, 96, 0).astype(float)
    middle = images[:, 24:72, 36:84]
    red, green, blue = middle.mean(axis=(0, 1, 2))
    assert red > green > blue
    assert red > 110
    assert (images.min(axis=3) > 230).mean(axis=(1, 2)).min() > 0.002
    assert (middle.max(axis=3) < 110).any(axis=(1, 2)).all()
    panel = images[:, :60, :18].mean(axis=(1, 2, 3))  # black beside the view where there is a panel
    assert panel.min() < 30 < 90 < panel.max()


def test_non_medical_images_have_colours_of_their_own():
    images = outsiders("non_medical", 24, 48, 0).astype(float)
    redness = images[..., 0].mean(axis=(1, 2)) - images[..., 2].mean(axis=(1, 2))
    assert redness.min() < -20 < 20 < redness.max()
    assert images.std(axis=(1, 2)).max(axis=1).min() > 5


@pytest.mark.parametrize("bad", [{"kind": "cat"}, {"n": 0}, {"size": 8}, {"seed": -1}])
def test_bad_arguments(bad):
    with pytest.raises(UserError, match="choose"):
        outsiders(**{"kind": "black", "n": 1, "size": 48, "seed": 0} | bad)
