import pytest
import timm
import torch
from torch import nn

from capsight.errors import UserError
from capsight.inference import mc_dropout
from capsight.inference.passes import head_passes
from capsight.learning.frame_learner import FrameLearner
from capsight.nn import Backbone, EmbeddingHead, FrameClassifier

BACKBONES = {
    "resnet18": 64,
    "resnet50": 64,
    "efficientnet_b0": 64,
    "mobilenetv3_large_100": 64,
    "convnext_atto": 64,
    "vit_tiny_patch16_224": 224,
}


def classifier(name: str, *, dropout: float = 0.5, drop_path: float = 0.0) -> FrameClassifier:
    torch.manual_seed(0)
    backbone = Backbone(name, image_size=BACKBONES.get(name, 32), drop_path=drop_path)
    return FrameClassifier(backbone, EmbeddingHead(backbone.width, 3, dropout=dropout)).eval()


def state(network: nn.Module) -> tuple:
    modes = [module.training for module in network.modules()]
    return modes, [buffer.clone() for buffer in network.buffers()], torch.get_rng_state()


def assert_same(before: tuple, after: tuple) -> None:
    assert before[0] == after[0]
    assert all(torch.equal(a, b) for a, b in zip(before[1], after[1], strict=True))
    assert torch.equal(before[2], after[2])


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("deep", [False, True])
def test_every_backbone_spreads_and_stays_as_it_was(name, deep):
    network = classifier(name, drop_path=0.2)
    network.backbone.trunk.train()  # a mixed mode must come back as well
    images = torch.rand(2, 3, BACKBONES[name], BACKBONES[name])
    before = state(network)
    passes = mc_dropout(network, images, passes=4, deep=deep)
    assert passes.shape == (4, 2, 3)
    assert ((passes >= 0) & (passes <= 1)).all()
    assert (passes.std(dim=0) > 0).all()
    assert_same(before, state(network))


@pytest.mark.parametrize("deep", [False, True])
def test_same_seed_same_passes(deep):
    network, images = classifier("resnet18", drop_path=0.2), torch.rand(2, 3, 32, 32)
    first = mc_dropout(network, images, passes=3, deep=deep, seed=1)
    assert torch.equal(first, mc_dropout(network, images, passes=3, deep=deep, seed=1))
    assert not torch.equal(first, mc_dropout(network, images, passes=3, deep=deep, seed=2))
    torch.manual_seed(5)
    by_generator = mc_dropout(network, images, passes=3, deep=deep)
    torch.manual_seed(5)
    assert torch.equal(by_generator, mc_dropout(network, images, passes=3, deep=deep))


def test_the_mean_and_the_spread_are_those_of_the_naive_loop():
    network, images = classifier("resnet18"), torch.rand(3, 3, 32, 32)
    fast = mc_dropout(network, images, passes=4000, seed=0)
    network.head.dropout.train()
    torch.manual_seed(1)
    with torch.inference_mode():
        embedding = network.embed(images)  # the trunk is in evaluation mode: the loop may skip it
        slow = torch.stack([network.classify(embedding).sigmoid() for _ in range(4000)])
        assert torch.equal(network.embed(images), embedding)
    error = (fast.var(dim=0) / 4000 + slow.var(dim=0) / 4000).sqrt()
    assert ((fast.mean(dim=0) - slow.mean(dim=0)).abs() < 4 * error).all()
    torch.testing.assert_close(fast.std(dim=0), slow.std(dim=0), rtol=0.1, atol=1e-4)


def test_deep_samples_the_trunk_itself():
    images = torch.rand(2, 3, 32, 32)
    only_trunk = classifier("resnet18", dropout=0.0, drop_path=0.5)
    for parameter in only_trunk.backbone.parameters():
        nn.init.normal_(parameter, std=0.1)  # timm begins with residual branches of zero, which nothing can drop
    assert (mc_dropout(only_trunk, images, passes=12, deep=True, seed=0).std(dim=0) > 0).all()
    with pytest.raises(UserError, match="no dropout.*deep=True"):
        mc_dropout(only_trunk, images, passes=6)


def test_a_network_with_nothing_to_drop_is_refused():
    network = classifier("resnet18", dropout=0.0)
    for deep in (False, True):
        with pytest.raises(UserError, match="no dropout; train it with model.dropout above 0"):
            mc_dropout(network, torch.rand(1, 3, 32, 32), deep=deep)
    with pytest.raises(UserError, match="passes=0"):
        mc_dropout(network, torch.rand(1, 3, 32, 32), passes=0)


def test_an_exception_leaves_everything_as_it_was():
    network, wrong = classifier("resnet18").train(), torch.rand(1, 4, 32, 32)
    before = state(network)
    for deep in (False, True):
        with pytest.raises(RuntimeError):
            mc_dropout(network, wrong, deep=deep)
        assert_same(before, state(network))


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "mobilenetv3_large_100"])
def test_a_plain_timm_network_is_sampled_though_it_has_no_dropout_module(name):
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=3, drop_rate=0.5)
    images, before = torch.rand(2, 3, 64, 64), state(network)
    passes = mc_dropout(network, images, passes=5)
    assert (passes.std(dim=0) > 0).all()
    assert_same(before, state(network))
    network.eval()
    many, plain = mc_dropout(network, images, passes=300).logit(), network(images).detach()
    assert ((many.mean(dim=0) - plain).abs() < 4 * many.std(dim=0) / 300**0.5 + 1e-4).all()


def test_exclusive_classes_give_one_probability_per_finding():
    torch.manual_seed(0)
    learner = FrameLearner(findings=["a", "b"], backbone="resnet10t", task="exclusive", dropout=0.5).eval()
    images = torch.rand(2, 3, 32, 32)
    passes = mc_dropout(learner, images, passes=4, seed=3)
    assert passes.shape == (4, 2, 2)
    assert (passes.sum(dim=2) < 1).all()  # the rest is "none of them"
    with torch.inference_mode():
        embedding = learner.network.embed(images)
    torch.testing.assert_close(head_passes(learner, embedding, passes=4, seed=3), passes)
