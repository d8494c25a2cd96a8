import numpy as np
import pytest
import torch

from capsight.errors import UserError
from capsight.lecture.shapes import SHAPES, shapes


def test_all_shapes_in_turn_and_by_seed():
    pictures, labels = shapes(26, size=32, names=SHAPES, noise=0.1, seed=0).tensors
    assert pictures.shape == (26, 3, 32, 32) and pictures.dtype == torch.float32
    assert pictures.min() >= 0 and pictures.max() <= 1
    assert labels.tolist() == [i % 12 for i in range(26)]
    again, other = (shapes(26, size=32, names=SHAPES, noise=0.1, seed=seed).tensors[0] for seed in (0, 1))
    assert torch.equal(pictures, again)
    assert not torch.equal(pictures, other)


def test_a_shape_is_of_one_colour_and_inside():
    pictures, _ = shapes(24, size=64, names=SHAPES, noise=0.0, seed=0).tensors
    for picture in pictures.numpy():
        background = picture[:, 0, 0]
        assert np.allclose(picture[:, :, -1], background[:, None])
        inside = ~np.isclose(picture, background[:, None, None], atol=1e-6).all(axis=0)
        assert 0.02 < inside.mean() < 0.5


@pytest.mark.parametrize("names", [["circle"], ["circle", "cow"], ["circle", "circle"]])
def test_bad_names_are_refused(names):
    with pytest.raises(UserError, match="lesson.classes"):
        shapes(4, size=32, names=names, noise=0.1, seed=0)
