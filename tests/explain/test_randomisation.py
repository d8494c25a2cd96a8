"""Cascading randomisation: what is replaced, what is left alone, and against SciPy's Spearman."""

import copy

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from capsight.explain import randomisation
from capsight.explain.cam import class_activation_maps
from capsight.explain.randomisation import cascade, measure_randomisation
from capsight.nn import Backbone, EmbeddingHead, FrameClassifier

IMAGES = torch.rand(4, 3, 96, 96, generator=torch.Generator().manual_seed(0))
NETWORKS = {"test_resnet": None, "test_vit": None, "test_efficientnet": None, "test_convnext": None}


def network(name: str = "test_resnet", dim: int | None = None) -> FrameClassifier:
    torch.manual_seed(1)
    backbone = Backbone(name, image_size=96)
    return FrameClassifier(backbone, EmbeddingHead(backbone.width, 2, dim=dim)).eval()


def cam(model, images):
    return class_activation_maps(model, images)[:, 0]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_is_replaced_from_the_classifier_down(name):
    model = network(name, dim=8)
    before = copy.deepcopy(model.state_dict())
    found = randomisation._stages(model)
    names = [stage for stage, _ in found]
    assert names[:2] == ["classifier", "projection"]
    children = [name for name, child in model.backbone.trunk.named_children() if list(child.parameters())]
    assert names[2:] == children[::-1]
    replaced = set()
    for number, (_, modules) in enumerate(found):
        randomisation._randomise(modules, seed=number)
        own = {id(parameter) for module in modules for parameter in module.parameters(recurse=False)}
        replaced |= {key for key, parameter in model.named_parameters() if id(parameter) in own}
        for key, parameter in model.named_parameters():
            if key not in replaced:
                assert torch.equal(parameter, before[key]), f"{key} comes later"
    assert replaced == {key for key, _ in model.named_parameters()}
    for key, parameter in model.named_parameters():
        if parameter.ndim > 1:  # a bias or a scale may begin as it ended
            assert not torch.equal(parameter, before[key]), key


def test_running_statistics_are_forgotten_too():
    model = network()
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.running_mean.fill_(5.0)
        norm.weight.data.fill_(3.0)
    for _, modules in randomisation._stages(model):
        randomisation._randomise(modules, seed=0)
    assert norms and all((norm.running_mean == 0).all() and (norm.weight == 1).all() for norm in norms)


def test_model_and_generator_are_left_as_they_were():
    model = network().train()
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    cascade(model, IMAGES, cam, repeats=2)
    assert model.training and torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


def test_each_stage_is_explained_with_all_before_it_replaced():
    seen = []

    def spy(model, images):
        seen.append(copy.deepcopy(model.state_dict()))
        return cam(model, images)

    model = network()
    found = cascade(model, IMAGES, spy, repeats=1)
    assert len(seen) == 1 + len(found)
    changed = [sum(not torch.equal(state[key], seen[0][key]) for key in seen[0]) for state in seen]
    assert changed[0] == 0 and (np.diff(changed) > 0).sum() >= len(found) - 1 and (np.diff(changed) >= 0).all()


def test_correlation_agrees_with_scipy_and_is_the_mean_of_the_draws():
    maps = []

    def coarse(model, images):
        map = cam(model, images)
        maps.append((map / map.std() * 5).round())  # with ties
        return maps[-1]

    found = cascade(network(), IMAGES, coarse, repeats=3)
    original, changed = maps[0], np.array(maps[1:]).reshape(3, len(found), *maps[0].shape)
    for number, values in enumerate(found.values()):
        for frame in range(len(IMAGES)):
            draws = [spearmanr(original[frame].ravel(), draw[number][frame].ravel()).statistic for draw in changed]
            assert values[frame] == pytest.approx(np.mean(draws), abs=1e-9)


def test_same_seed_same_weights_whatever_frames_are_explained():
    model = network()
    whole, other = (cascade(model, IMAGES, cam, repeats=1, seed=seed) for seed in (0, 1))
    part = cascade(model, IMAGES[2:], cam, repeats=1, seed=0)
    for stage in whole:
        assert whole[stage][2:] == pytest.approx(part[stage], abs=1e-6)
    assert any(not np.allclose(whole[stage], other[stage]) for stage in whole)


def test_constant_and_broken_maps():
    originals = torch.rand(4, 5, 5)
    originals[0] = 2.0
    originals[1, 0, 0] = torch.nan

    def explain(model, images, count=[]):  # noqa: B006
        count.append(None)
        return (
            originals if len(count) == 1 else torch.stack([originals[2], originals[2], torch.ones(5, 5), originals[3]])
        )

    values = cascade(network(), IMAGES, explain, repeats=1)["classifier"]
    # No order to begin with; not finite; no order left; the same order.
    assert np.isnan(values[:2]).all() and values[2] == 0 and values[3] == pytest.approx(1)


def test_a_map_that_ignores_the_model_fails_and_a_random_one_passes():
    patients = [f"p{number // 2}" for number in range(8)]
    images = torch.rand(8, 3, 96, 96)
    looks_at_the_frame = cascade(network(), images, lambda model, x: x.mean(dim=1), repeats=1)
    failed = measure_randomisation(looks_at_the_frame, patients, resamples=200)
    assert failed["passes"] is False and failed["n_frames"] == 8
    assert all(stage["value"] == pytest.approx(1) for stage in failed["stages"].values())
    generator = torch.Generator().manual_seed(0)
    noise = cascade(network(), images, lambda model, x: torch.rand(8, 9, 9, generator=generator), repeats=1)
    passed = measure_randomisation(noise, patients, resamples=200)
    assert passed["passes"] is True and abs(passed["stages"]["conv1"]["value"]) < 0.2


def test_the_verdict_is_that_of_the_last_stage_and_withheld_where_it_cannot_be_told():
    patients = list("aabbccdd")
    low, high = np.full(8, 0.1), np.full(8, 0.9)
    wide = np.repeat([0.0, 1.0, 0.1, 0.9], 2)

    def judge(last, patients=patients):
        return measure_randomisation({"classifier": high, "conv1": last}, patients, resamples=300)

    assert judge(low)["passes"] is True and judge(high)["passes"] is False
    assert judge(wide)["passes"] is None and judge(wide)["reason"] == "the interval after the last stage holds 0.5"
    assert judge(low, list("aaaabbbb")) == judge(low, list("aaaabbbb")) | {
        "passes": None,
        "reason": "fewer than three patients",
    }
    assert judge(np.full(8, np.nan))["passes"] is None
    assert judge(np.full(8, np.nan))["reason"]
