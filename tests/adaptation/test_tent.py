import copy
import pickle

import pytest
import torch
from toy_frames import draw_frames
from toy_training import plain_network, tiny_network

from capsight.adaptation.tent import Tent
from capsight.inference.passes import head_passes

MODES = ("online", "episodic")


def frames(n=40, seed=0):
    return draw_frames(n, seed=seed).images


def affine(network):
    trunk = network.backbone.trunk
    return [weight.clone() for block in (trunk.stem, trunk.layer1, trunk.layer2) for weight in block[1].parameters()]


@pytest.mark.parametrize("mode", MODES)
def test_leaves_the_original_untouched(mode):
    network = tiny_network().eval()
    network.backbone.trunk.stem.requires_grad_(False)
    before = copy.deepcopy(network)
    Tent(mode=mode, lr=0.1).at_test_time(network, "multilabel").embed(frames())
    torch.testing.assert_close(network.state_dict(), before.state_dict(), rtol=0, atol=0)
    for now, then in zip(network.parameters(), before.parameters(), strict=True):
        assert now.requires_grad == then.requires_grad and now.grad is None


@pytest.mark.parametrize("task", ["multilabel", "exclusive"])
def test_a_step_is_one_of_adam_on_the_entropy_of_the_batch(task):
    network, images = tiny_network(task), frames()
    tent = Tent(lr=0.01).at_test_time(network.eval(), task)
    tent.embed(images)
    twin = copy.deepcopy(network).train()
    twin.head.eval()
    optimiser = torch.optim.Adam(twin.backbone.trunk.parameters(), lr=0.01)
    p = twin(images).sigmoid() if task == "multilabel" else twin(images).softmax(dim=1)
    h = -p * p.log() - ((1 - p) * (1 - p).log() if task == "multilabel" else 0)
    (h.mean() if task == "multilabel" else h.sum(dim=1).mean()).backward()
    optimiser.step()
    torch.testing.assert_close(affine(tent), affine(twin))
    torch.testing.assert_close(tent.backbone.trunk.layer1[0].weight, network.backbone.trunk.layer1[0].weight)


def test_a_step_lowers_the_entropy():
    network, images = tiny_network().eval(), frames()
    few, many = (Tent(lr=lr).at_test_time(network, "multilabel") for lr in (1e-9, 1e-2))
    p, sharper = (torch.distributions.Bernoulli(logits=tent(images)).entropy().mean() for tent in (few, many))
    assert sharper < p


def test_episodic_forgets_and_online_goes_on():
    network, first, second = tiny_network().eval(), frames(seed=1), frames(seed=2)
    for mode in MODES:
        alone, after = (Tent(mode=mode, lr=0.01).at_test_time(network, "multilabel") for _ in range(2))
        after.embed(first)
        same = torch.equal(alone.embed(second), after.embed(second))
        assert same == (mode == "episodic")


@pytest.mark.parametrize("bf16", [False, True])
def test_learns_where_the_caller_wants_no_gradients(bf16):
    tent = Tent(lr=0.01).at_test_time(tiny_network().eval(), "multilabel")
    before = affine(tent)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        embedding = tent.embed(frames().contiguous(memory_format=torch.channels_last))
        logits = tent.classify(embedding)
    assert all((now != then).any() for now, then in zip(affine(tent), before, strict=True))
    assert logits.dtype == torch.float32 and not embedding.requires_grad
    torch.testing.assert_close(logits, tent.head.classifier(embedding))


def test_dropout_of_the_head_can_be_sampled_and_does_not_disturb_the_step():
    network, images = tiny_network(dropout=0.5).eval(), frames()
    tents = [Tent(lr=0.01).at_test_time(network, "multilabel") for _ in range(2)]
    tents[1].head.dropout.train()
    embeddings = [tent.embed(images) for tent in tents]
    torch.testing.assert_close(*embeddings)
    passes = head_passes(tents[0], embeddings[0].detach(), passes=3, seed=0)
    assert passes.shape == (3, len(images), 2) and (passes[0] != passes[1]).any()


@pytest.mark.parametrize("mode", MODES)
def test_one_frame_is_predicted_as_it_is_and_no_frame_is_nothing(mode):
    network, image = tiny_network().eval(), frames(1)
    tent = Tent(mode=mode).at_test_time(network, "multilabel")
    torch.testing.assert_close(tent.embed(image), network.embed(image))
    assert tent.embed(image[:0]).shape == (0, 32)
    torch.testing.assert_close(affine(tent), affine(network))


def test_copies_learn_for_themselves():
    tent = Tent(lr=0.01).at_test_time(tiny_network().eval(), "multilabel")
    tent.embed(frames())
    for twin in (copy.deepcopy(tent), pickle.loads(pickle.dumps(tent))):
        before = affine(tent)
        twin.embed(frames(seed=1))
        torch.testing.assert_close(affine(tent), before)
        assert (affine(twin)[0] != before[0]).any()


def test_bad_input():
    with pytest.raises(ValueError, match="online, episodic"):
        Tent(mode="always")
    with pytest.raises(ValueError, match="lr=0"):
        Tent(lr=0)
    with pytest.raises(ValueError, match="no batch normalisation"):
        Tent().at_test_time(plain_network(), "multilabel")
