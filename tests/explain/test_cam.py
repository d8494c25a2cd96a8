import copy

import pytest
import torch
from captum.attr import LayerGradCam

from capsight.errors import UserError
from capsight.explain import class_activation_maps
from capsight.explain.cam import gradient_activation_maps
from capsight.learning.frame_learner import FrameLearner
from capsight.nn import Backbone, EmbeddingHead, FrameClassifier

HEADS = {
    "plain": {},
    "unit length": {"normalise": True},
    "projection to unit length": {"embedding_dim": 16, "normalise": True},
}
# The module whose output is the last feature map; the vision transformer has tokens instead of a grid.
LAST = {
    "resnet18": "layer4",
    "resnet50": "layer4",
    "efficientnet_b0": "bn2",
    "convnext_atto": "stages.3",
    "mobilenetv3_small_050": "blocks.5",
    "vit_tiny_patch16_224": None,
}


def learner(backbone="resnet10t", findings=("polyp", "bleeding", "content"), **model) -> FrameLearner:
    torch.manual_seed(0)
    learner = FrameLearner(findings=list(findings), backbone=backbone, image_size=64, **model).eval()
    classifier = learner.network.head.classifier
    torch.nn.init.normal_(classifier.weight)  # strong enough that a wrong map is not lost in rounding
    torch.nn.init.normal_(classifier.bias)
    return learner


def frames(n=2, size=64) -> torch.Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(1))


def state(model) -> tuple:
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.modules()]
    values = [tensor.clone() for tensor in model.state_dict().values()]
    gradients = [(p.grad, p.requires_grad) for p in model.parameters()]
    return [m.training for m in model.modules()], hooks, gradients, values, torch.get_rng_state()


def assert_untouched(before: tuple, model) -> None:
    after = state(model)
    assert before[:3] == after[:3]
    torch.testing.assert_close(after[3:], before[3:], rtol=0, atol=0)


@pytest.mark.parametrize("backbone", LAST)
@pytest.mark.parametrize("head", HEADS)
def test_the_mean_over_positions_and_the_bias_make_the_logit(backbone, head):
    model, images = learner(backbone, **HEADS[head]), frames()
    maps = class_activation_maps(model, images)
    assert maps.shape[:2] == (2, 3) and maps.shape[2] == maps.shape[3] >= 2 and not maps.requires_grad
    with torch.no_grad():
        logits = model(images)
    torch.testing.assert_close(
        maps.mean(dim=(2, 3)) + model.network.head.classifier.bias.detach(), logits, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("backbone", [name for name, layer in LAST.items() if layer])
def test_grad_cam_of_the_last_features_is_the_same_up_to_the_number_of_positions(backbone):
    model, images = learner(backbone, embedding_dim=16), frames()
    maps = class_activation_maps(model, images)
    peer = LayerGradCam(model, model.network.backbone.trunk.get_submodule(LAST[backbone]))
    for finding in range(3):
        expected = peer.attribute(images, target=finding, relu_attributions=False)[:, 0].detach()
        torch.testing.assert_close(maps[:, finding] / maps[0, 0].numel(), expected, rtol=1e-4, atol=1e-5)


def test_a_position_of_the_map_is_that_of_the_image():
    model = learner("vit_tiny_patch16_224")
    for block in model.network.backbone.trunk.blocks:  # without attention every token is of its own patch only
        torch.nn.init.zeros_(block.attn.proj.weight)
    images, changed = frames(1), frames(1)
    changed[:, :, 16:32, 48:64] = 0
    different = (class_activation_maps(model, images) - class_activation_maps(model, changed)).abs() > 1e-6
    assert different[0, 0].nonzero().tolist() == [[1, 3]]


def test_frames_that_are_not_square_keep_their_shape():
    model, images = learner(), torch.rand(2, 3, 96, 64)
    maps = class_activation_maps(model, images)
    assert maps.shape == (2, 3, 3, 2)
    bias = model.network.head.classifier.bias
    torch.testing.assert_close(maps.mean(dim=(2, 3)) + bias, model(images), rtol=1e-4, atol=1e-4)


def test_a_batch_gives_what_single_frames_give():
    model, images = learner("resnet18"), frames(4)
    single = torch.cat([class_activation_maps(model, image) for image in images.split(1)])
    torch.testing.assert_close(class_activation_maps(model, images), single, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", ["layer4", "layer4.1.bn1", "layer3.0.conv2"])
def test_layers_that_work_in_place_change_nothing(layer):
    model, images = learner("resnet18"), frames()
    other = copy.deepcopy(model)
    changed = [m for m in other.modules() if hasattr(m, "inplace")]
    for module in changed:
        module.inplace = not module.inplace
    assert changed
    torch.testing.assert_close(class_activation_maps(model, images), class_activation_maps(other, images))
    maps = [gradient_activation_maps(network, images, [0, 2], layer) for network in (model, other)]
    torch.testing.assert_close(*maps)


def test_bytes_and_fractions_mean_the_same():
    model, images = learner(), torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(class_activation_maps(model, images), class_activation_maps(model, images / 255))


def test_a_network_in_training_has_the_maps_of_its_evaluation():
    model, images = learner("resnet18", dropout=0.5), frames()
    expected = class_activation_maps(model, images)
    assert torch.equal(class_activation_maps(model.train(), images), expected)


@pytest.mark.parametrize("explain", [class_activation_maps, lambda m, x: gradient_activation_maps(m, x, [1])])
def test_the_model_stays_as_it_was(explain):
    model = learner("resnet18", dropout=0.5).train()
    model.network.backbone.trunk.layer1.eval()  # a mixed mode must come back as well
    before = state(model)
    explain(model, frames())
    assert_untouched(before, model)
    with pytest.raises(RuntimeError):
        explain(model, torch.zeros(2, 4, 64, 64))
    assert_untouched(before, model)


def test_maps_keep_their_digits_under_autocast():
    model, images = learner(task="exclusive"), frames()
    expected = class_activation_maps(model, images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = class_activation_maps(model.network, images)
        logits = model.network(images)
        contrasts = class_activation_maps(model, images)
    assert maps.dtype == contrasts.dtype == torch.float32
    torch.testing.assert_close(maps.mean(dim=(2, 3)) + model.network.head.classifier.bias, logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(contrasts, expected, rtol=0.1, atol=0.1)


def test_a_map_may_be_changed_and_the_model_trained_afterwards():
    model, images = learner(), frames()
    with torch.inference_mode():
        inside = class_activation_maps(model, images)
    maps = class_activation_maps(model, images)
    maps -= maps.amin()
    model(images).sum().backward()
    assert inside.shape == maps.shape


@pytest.mark.parametrize("findings", [["polyp"], ["polyp", "bleeding", "content"]])
def test_exclusive_findings_are_weighed_against_their_competitors(findings):
    model, images = learner(findings=findings, task="exclusive"), frames()
    maps = class_activation_maps(model, images)
    assert maps.shape[1] == len(findings)
    network = model.network

    outputs = class_activation_maps(network, images).flatten(2)  # of every class, "none of them" first
    z = network(images).detach()
    for finding in range(len(findings)):
        others = [k for k in range(z.shape[1]) if k != finding + 1]
        q = z[:, others].softmax(dim=1)
        slow = outputs[:, finding + 1] - sum(q[:, [i]] * outputs[:, k] for i, k in enumerate(others))
        torch.testing.assert_close(maps[:, finding].flatten(1), slow, rtol=1e-4, atol=1e-5)

    by_gradient = gradient_activation_maps(model, images, range(len(findings)), "layer4")
    torch.testing.assert_close(maps / maps[0, 0].numel(), by_gradient, rtol=1e-4, atol=1e-5)


def test_what_all_exclusive_classes_have_in_common_is_no_evidence():
    model, images = learner(task="exclusive"), frames()
    before = class_activation_maps(model, images)
    with torch.no_grad():
        model.network.head.classifier.weight += torch.randn(512)
    torch.testing.assert_close(class_activation_maps(model, images), before, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("layer", ["layer1", "layer2.0.conv1", "layer4.0.bn2", "conv1"])
def test_grad_cam_of_any_layer_is_that_of_captum(layer):
    model, images = learner("resnet18"), frames()
    maps = gradient_activation_maps(model, images, [2, 0], layer)
    peer = LayerGradCam(model, model.network.backbone.trunk.get_submodule(layer))
    for column, finding in enumerate([2, 0]):
        expected = peer.attribute(images, target=finding)[:, 0].detach()
        torch.testing.assert_close(maps[:, column], expected, rtol=1e-4, atol=1e-6)


def test_grad_cam_without_a_layer_is_that_of_the_last_stage():
    model, images = learner("resnet18"), frames()
    maps = gradient_activation_maps(model, images, [0])
    torch.testing.assert_close(maps, gradient_activation_maps(model, images, [0], "layer4"))


def test_grad_cam_of_tokens_averages_over_the_tokens_of_the_image():
    model, images = learner("vit_tiny_patch16_224"), frames()
    maps = gradient_activation_maps(model, images, [1], "norm")  # the last features
    expected = class_activation_maps(model, images)[:, [1]]
    torch.testing.assert_close(maps / maps.abs().max(), expected / expected.abs().max(), rtol=1e-3, atol=1e-4)
    assert gradient_activation_maps(model, images, [1]).shape == (2, 1, 4, 4)


def test_grad_cam_of_channels_last_features():
    torch.manual_seed(0)
    backbone = Backbone("swin_tiny_patch4_window7_224", image_size=64)
    model, images = FrameClassifier(backbone, EmbeddingHead(backbone.width, 2)), frames(1)
    maps, expected = gradient_activation_maps(model, images, [0, 1], "norm"), class_activation_maps(model, images)
    torch.testing.assert_close(maps, expected / 4, rtol=1e-3, atol=1e-6)


def test_a_layer_that_does_not_exist_is_answered_with_close_ones():
    with pytest.raises(UserError, match=r"no layer 'layer4.1.conv9'.*layer4.1.conv2"):
        gradient_activation_maps(learner("resnet18"), frames(1), [0], "layer4.1.conv9")


@pytest.mark.parametrize("layer", ["fc", "global_pool"])
def test_a_layer_without_positions_is_named(layer):
    with pytest.raises(UserError, match=f"layer '{layer}' has no positions.*'layer4'"):
        gradient_activation_maps(learner("resnet18"), frames(1), [0], layer)


def test_features_that_are_no_positions_are_named():
    model = learner("vit_tiny_patch16_224")
    model.network.backbone.feature_map = lambda images: torch.rand(len(images), 1 + 7, model.network.backbone.width)
    with pytest.raises(UserError, match="not one vector per position"):
        class_activation_maps(model, frames(1))
