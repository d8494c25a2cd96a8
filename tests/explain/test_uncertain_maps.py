import pytest
import torch

from capsight.errors import UserError
from capsight.explain import class_activation_maps
from capsight.explain.uncertain_maps import uncertain_maps
from capsight.learning.frame_learner import FrameLearner

PASSES = 4000


def learner(**model) -> FrameLearner:
    torch.manual_seed(0)
    learner = FrameLearner(findings=["polyp", "bleeding"], backbone="resnet10t", **model).eval()
    torch.nn.init.normal_(learner.network.head.classifier.weight)
    return learner


def one_by_one(model, images):
    """The map of each pass (T, B, C, h, w), by PyTorch's own dropout of the embedding at every position."""
    network = model.network
    positions = network.head.projection(network.backbone.feature_map(images).permute(0, 2, 3, 1))
    if network.head.normalise:
        positions = positions / network.head.projection(network.backbone(images)).norm(dim=1).view(-1, 1, 1, 1)
    for _ in range(PASSES):
        kept = torch.nn.functional.dropout(torch.ones(len(images), 1, 1, positions.shape[3]), network.head.dropout.p)
        yield ((positions * kept) @ network.head.classifier.weight.T).permute(0, 3, 1, 2)


@pytest.mark.parametrize("head", [{}, {"embedding_dim": 8}, {"embedding_dim": 8, "normalise": True}])
def test_mean_and_spread_are_those_of_many_passes(head):
    model, images = learner(dropout=0.3, **head), torch.rand(2, 3, 64, 64)
    mean, spread = uncertain_maps(model, images)
    assert mean.shape == spread.shape == (2, 2, 2, 2) and (spread > 0).all() and not spread.requires_grad
    with torch.no_grad():
        passes = torch.stack(list(one_by_one(model, images)))
    assert ((passes.mean(dim=0) - mean).abs() < 4.5 * spread / PASSES**0.5).all()
    torch.testing.assert_close(passes.std(dim=0), spread, rtol=0.08, atol=0)
    torch.testing.assert_close(mean, class_activation_maps(model, images))


def test_the_map_of_a_pass_has_the_mean_of_its_logit():
    """The passes that are meant are those of the network: the spread of the maps' mean is that of the logits."""
    model, images = learner(dropout=0.5), torch.rand(1, 3, 32, 32)  # one position, which is the mean
    _, spread = uncertain_maps(model, images)
    model.network.head.dropout.train()
    with torch.no_grad():
        embedding = model.network.embed(images)
        logits = model.network.classify(embedding.expand(PASSES, -1))
    torch.testing.assert_close(logits.std(dim=0), spread[0, :, 0, 0], rtol=0.08, atol=0)


def test_exclusive_findings_have_one_map_each():
    model, images = learner(dropout=0.5, task="exclusive"), torch.rand(2, 3, 64, 64)
    mean, spread = uncertain_maps(model, images)
    torch.testing.assert_close(mean, class_activation_maps(model, images))
    assert spread.shape == (2, 2, 2, 2) and (spread > 0).all()


@pytest.mark.parametrize("dropout", [0.0, 1.0])
def test_without_dropout_there_is_nothing_to_be_uncertain_about(dropout):
    with pytest.raises(UserError, match="model.dropout between 0 and 1"):
        uncertain_maps(learner(dropout=dropout), torch.rand(1, 3, 64, 64))
