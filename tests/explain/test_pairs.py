"""Pair maps: they share the distance out completely, and where it comes from."""

import pytest
import torch

from capsight.explain.pairs import pair_maps
from capsight.learning.frame_learner import FrameLearner
from capsight.nn import Backbone, EmbeddingHead, FrameClassifier

torch.manual_seed(0)
A, B = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64) ** 2


def network(name="resnet18", **head):
    backbone = Backbone(name, image_size=64)
    return FrameClassifier(backbone, EmbeddingHead(backbone.width, 2, **head)).eval()


@pytest.mark.parametrize("head", [{}, {"normalise": True}, {"dim": 16}, {"dim": 16, "normalise": True}])
@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto"])
@torch.no_grad()
def test_the_maps_sum_to_the_squared_distance(name, head):
    model = network(name, **head)
    map_a, map_b, squared = pair_maps(model, A, B)
    assert map_a.shape == map_b.shape == (2, *map_a.shape[1:]) and map_a.ndim == 3
    expected = (model.embed(A) - model.embed(B)).square().sum(dim=1)
    torch.testing.assert_close(squared, expected, rtol=1e-3, atol=1e-7)
    torch.testing.assert_close(map_a.sum((1, 2)), squared / 2, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(map_b.sum((1, 2)), squared / 2, rtol=1e-3, atol=1e-6)


class Corner(torch.nn.Module):
    """A backbone whose features are the pixels themselves, so that the truth is known."""

    width, trunk = 3, torch.nn.Identity()

    def feature_map(self, images):
        return images


@pytest.mark.parametrize("normalise", [False, True])
def test_the_region_that_differs_makes_the_frames_far(normalise):
    a, b = torch.full((2, 1, 3, 4, 4), 0.5)
    b[:, 0, 0, 3] = 1.0  # one red pixel
    model = FrameClassifier(Corner(), EmbeddingHead(3, 1, normalise=normalise))
    map_a, map_b, _ = pair_maps(model, a, b)
    assert map_b.flatten().argmax() == 3
    assert map_b[0, 0, 3] > 0 > map_b[0, 1, 1]  # the rest of the frame looks like the other one
    torch.testing.assert_close(map_a, torch.full_like(map_a, map_a.mean()))


def test_the_maps_do_not_depend_on_the_origin_of_the_embedding():
    model = FrameClassifier(Corner(), EmbeddingHead(3, 1))
    for here, there in zip(pair_maps(model, A, B), pair_maps(model, A + 5, B + 5), strict=True):
        torch.testing.assert_close(here, there, rtol=1e-3, atol=1e-6)


def test_a_frame_and_itself_are_not_apart_anywhere():
    assert all((values == 0).all() for values in pair_maps(network(), A, A))


def test_swapping_the_frames_swaps_the_maps():
    model = network()
    map_a, map_b, squared = pair_maps(model, A, B)
    for here, there in zip((map_b, map_a, squared), pair_maps(model, B, A), strict=True):
        torch.testing.assert_close(here, there)


def test_one_frame_against_many():
    model = network()
    maps = pair_maps(model, A[:1], B)
    for i in range(2):
        for many, single in zip(maps, pair_maps(model, A[:1], B[i : i + 1]), strict=True):
            torch.testing.assert_close(many[i], single[0], rtol=1e-3, atol=1e-6)


def test_a_learner_is_taken_and_left_as_it_was():
    learner = FrameLearner(findings=["polyp"]).train()
    learner.network.backbone.eval()
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    assert not any(values.requires_grad for values in pair_maps(learner, A, B))
    assert learner.network.head.training and not learner.network.backbone.training
    assert all((value == before[name]).all() for name, value in learner.state_dict().items())
