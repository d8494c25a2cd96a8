from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import IntegratedGradients, Occlusion
from torch import nn

from capsight.errors import UserError
from capsight.explain import class_activation_maps
from capsight.explain.attribution import METHODS, Settings, explain_frames, featureless
from capsight.learning.frame_learner import FrameLearner

FEW = Settings(steps=8, samples=6, internal_batch=4, window=1 / 4, stride=1 / 4)
DRAWN = ("gradient_shap", "smoothgrad", "random")
SIZE = 48


@pytest.fixture(scope="module")
def model() -> FrameLearner:
    torch.manual_seed(0)
    model = FrameLearner(findings=["polyp", "bleeding", "content"], backbone="resnet10t", dropout=0.5).eval()
    nn.init.normal_(model.network.head.classifier.weight)
    return model


@pytest.fixture
def images() -> torch.Tensor:
    """Frames whose upper part is outside the view."""
    images = torch.rand(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    images[:, :, :12] = 0
    return images


@pytest.mark.parametrize("method", METHODS)
def test_maps_do_not_depend_on_frames_and_findings_beside_them(model, images, method):
    maps, _ = explain_frames(model, images, method, [2, 0], FEW)
    assert maps.shape == (3, 2, SIZE, SIZE) and maps.isfinite().all() and not maps.requires_grad
    torch.manual_seed(7)  # nor on what was drawn before
    np.random.seed(7)
    alone, _ = explain_frames(model, images[1:2], method, [0], FEW)
    torch.testing.assert_close(alone[0, 0], maps[1, 1], rtol=1e-3, atol=1e-5)
    assert method == "centre" or not torch.allclose(maps[1, 0], maps[1, 1])


@pytest.mark.parametrize("method", METHODS)
def test_the_model_the_frames_and_the_generators_stay_as_they_were(model, images, method):
    model.train()
    model.network.backbone.trunk.layer1.eval()  # a mixed mode must come back as well
    modes, frames = [m.training for m in model.modules()], images.clone()
    values = [value.clone() for value in model.state_dict().values()]
    torch.manual_seed(3)
    np.random.seed(3)
    drawn = torch.rand(1), np.random.rand()
    torch.manual_seed(3)
    np.random.seed(3)
    explain_frames(model, images, method, [1], FEW)
    assert drawn == (torch.rand(1), np.random.rand())
    assert modes == [m.training for m in model.modules()]
    assert all(map(torch.equal, values, model.state_dict().values()))
    assert torch.equal(images, frames) and not images.requires_grad
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())
    model.eval()


@pytest.mark.parametrize("method", METHODS)
def test_bytes_and_inference_mode_change_nothing(model, images, method):
    pixels = (images[:1] * 255).byte()
    expected, _ = explain_frames(model, pixels / 255, method, [1], FEW)
    with torch.inference_mode():
        maps, _ = explain_frames(model, pixels.clone(), method, [1], FEW)
    torch.testing.assert_close(maps, expected)


@pytest.mark.parametrize("method", METHODS)
def test_the_network_never_sees_more_frames_at_once_than_allowed(model, images, method):
    seen = []
    hook = model.network.backbone.trunk.conv1.register_forward_hook(lambda m, x, y: seen.append(len(y)))
    explain_frames(model, images, method, [0, 1], replace(FEW, steps=5, samples=5, internal_batch=2))
    hook.remove()
    assert max(seen, default=0) <= 2


@pytest.mark.parametrize("method", ["integrated_gradients", "gradient_shap", "smoothgrad"])
def test_nothing_outside_the_view_is_evidence(model, images, method):
    maps, _ = explain_frames(model, images, method, [0], FEW)
    assert (maps[:, :, :12] == 0).all() and (maps[:, :, 12:] != 0).any()


@pytest.mark.parametrize("method", DRAWN)
def test_the_seed_decides_on_what_is_drawn(model, images, method):
    def maps(images, **settings):
        return explain_frames(model, images, method, [0], Settings(samples=4, **settings))[0]

    assert not torch.allclose(maps(images)[0], maps(images)[1])
    assert torch.equal(maps(images), maps(images))
    assert not torch.allclose(maps(images, seed=1), maps(images, seed=2))
    torch.testing.assert_close(maps(images, seed=1)[2:], maps(images[2:], seed=1), rtol=1e-3, atol=1e-5)


def test_cam_is_the_class_activation_map_of_the_finding(model, images):
    maps, diagnostics = explain_frames(model, images, "cam", [1])
    coarse = class_activation_maps(model, images)[:, [1]]
    torch.testing.assert_close(maps, F.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear"))
    assert diagnostics == {}


def test_grad_cam_takes_the_layer_of_the_settings(model, images):
    last, _ = explain_frames(model, images, "gradcam", [1])
    early, _ = explain_frames(model, images, "gradcam", [1], Settings(layer="layer2.0.conv1"))
    coarse = class_activation_maps(model, images)[:, [1]]
    torch.testing.assert_close(last, F.interpolate(coarse / 4, size=(SIZE, SIZE), mode="bilinear"))
    assert not torch.allclose(last, early)


def test_integrated_gradients_are_those_of_captum_with_their_gap(model, images):
    maps, diagnostics = explain_frames(model, images, "integrated_gradients", [2], FEW)
    peer = IntegratedGradients(model)
    expected, delta = peer.attribute(images, featureless(images), target=2, n_steps=8, return_convergence_delta=True)
    torch.testing.assert_close(maps[:, 0], expected.sum(dim=1).detach().float(), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(diagnostics["completeness_gap"][:, 0], delta.abs().float(), rtol=1e-2, atol=1e-4)


def test_the_gap_of_a_linear_model_is_none(images):
    class Linear(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Module()
            self.head.classifier = nn.Linear(3 * SIZE * SIZE, 2)

        def forward(self, images):
            return self.head.classifier(images.flatten(1))

    model = Linear()
    maps, diagnostics = explain_frames(model, images, "integrated_gradients", [0, 1], FEW)
    assert diagnostics["completeness_gap"].shape == (3, 2)
    torch.testing.assert_close(diagnostics["completeness_gap"], torch.zeros(3, 2), rtol=0, atol=1e-5)
    with torch.no_grad():
        change = model(images) - model(featureless(images))
    torch.testing.assert_close(diagnostics["logit_change"], change)
    weight = model.head.classifier.weight.detach().view(2, 3, SIZE, SIZE)
    expected = (weight * (images - featureless(images)).unsqueeze(1)).sum(dim=2)
    torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-6)
    smooth, _ = explain_frames(model, images, "smoothgrad", [0], FEW)
    seen = weight[:1].abs().sum(dim=1) * (images > 0).any(dim=1)
    torch.testing.assert_close(smooth[:, 0], seen, rtol=1e-4, atol=1e-6)


def test_occlusion_is_that_of_captum_for_each_finding(model, images):
    maps, _ = explain_frames(model, images, "occlusion", [2, 0], FEW)
    for column, finding in enumerate([2, 0]):
        expected = Occlusion(model).attribute(images, (3, 12, 12), (3, 12, 12), featureless(images), target=finding)
        torch.testing.assert_close(maps[:, column], expected[:, 0], rtol=1e-4, atol=1e-5)


def test_occlusion_finds_the_one_place_that_counts(images):
    class Corner(nn.Module):
        """Its logit is the brightness of one corner."""

        def __init__(self):
            super().__init__()
            self.head = nn.Module()
            self.head.classifier = nn.Linear(1, 1)

        def forward(self, images):
            return images[:, :, -12:, -12:].mean(dim=(1, 2, 3)).unsqueeze(1)

    images[:, :, -12:, -12:] = 1
    maps, _ = explain_frames(Corner(), images, "occlusion", [0], FEW)
    assert (maps[:, 0, -12:, -12:] > 0.1).all()
    assert (maps[:, 0, :-12] == 0).all() and (maps[:, 0, :, :-12] == 0).all()


def test_the_centre_is_highest_in_the_middle_and_round(model, images):
    maps, _ = explain_frames(model, images, "centre", [0])
    centre = maps[0, 0]
    assert centre.argmax() in (SIZE // 2 * (SIZE + 1), (SIZE // 2 - 1) * (SIZE + 1))
    torch.testing.assert_close(centre, centre.T)
    torch.testing.assert_close(centre, centre.flip(0))
    assert torch.equal(maps[0], maps[2])


def test_featureless_frames_have_the_view_and_the_mean_colour():
    images = torch.zeros(2, 3, 8, 8)
    images[0, :, 2:6, 2:6] = torch.rand(3, 4, 4) + 0.1
    blank = featureless(images)
    torch.testing.assert_close(blank[0, :, 3, 3], images[0, :, 2:6, 2:6].mean(dim=(1, 2)))
    assert ((blank == 0) == (images == 0)).all()  # the second frame is black altogether
    assert blank[0, :, 2:6, 2:6].flatten(1).std(dim=1).max() < 1e-6


def test_exclusive_findings_are_explained_as_findings(images):
    torch.manual_seed(0)
    model = FrameLearner(findings=["polyp", "bleeding"], backbone="resnet10t", task="exclusive").eval()
    for method in METHODS:
        assert explain_frames(model, images[:1], method, [0, 1], FEW)[0].shape == (1, 2, SIZE, SIZE)
    with pytest.raises(UserError, match="no finding number 2; it has 2"):
        explain_frames(model, images, "cam", [2])


def test_what_does_not_exist_is_named(model, images):
    with pytest.raises(UserError, match="no method 'gradcan'; choose among cam, gradcam"):
        explain_frames(model, images, "gradcan", [0])
    for finding in (3, -1):
        with pytest.raises(UserError, match=f"no finding number {finding}; it has 3"):
            explain_frames(model, images, "cam", [0, finding])
    with pytest.raises(UserError, match="no layer 'layer7'"):
        explain_frames(model, images, "gradcam", [0], Settings(layer="layer7"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"samples": 0},
        {"internal_batch": 0},
        {"window": 1.5},
        {"stride": 0},
        {"stride": 0.5},
        {"noise": -1},
    ],
)
def test_settings_that_are_not_possible_are_named(wrong):
    with pytest.raises(UserError, match=f"{next(iter(wrong))}="):
        Settings(**wrong)
