import math

import pytest
import torch
from steps import make_step
from toy_training import tiny_network

from capsight.adaptation.dann import Dann


def ready(**settings):
    method = Dann(**{"hidden": 8, **settings})
    method.prepare(tiny_network(), "multilabel")
    return method


def published(method, step):
    """Frame by frame: -log of the probability that the adversary gives to the frame's own capsule."""
    costs = {False: [], True: []}
    for embedding, of_target in zip(step.embedding, step.target.tolist(), strict=True):
        d = torch.sigmoid(method.adversary.layers(embedding))
        costs[of_target].append(-torch.log(d if of_target else 1 - d))
    return sum(torch.stack(of_capsule).mean() for of_capsule in costs.values()) / 2


@pytest.mark.parametrize(("n_source", "n_target"), [(5, 4), (9, 2)])
def test_loss_is_the_papers(n_source, n_target):
    method, step = ready(), make_step(n_source, n_target, width=32)
    torch.testing.assert_close(method.loss(step), published(method, step))


@pytest.mark.parametrize(("weight", "progress"), [(1.0, 0.3), (0.5, 1.0), (1.0, 0.0)])
def test_the_adversary_learns_at_full_rate_and_the_embedding_against_it(weight, progress):
    method, step = ready(weight=weight), make_step(width=32, progress=progress)
    weights = [*method.adversary.parameters()]
    got = torch.autograd.grad(method.loss(step), [step.embedding, *weights])
    plain = torch.autograd.grad(published(method, step), [step.embedding, *weights])
    strength = weight * math.tanh(5 * progress)  # 2 / (1 + exp(-10 p)) - 1
    torch.testing.assert_close(got[0], -strength * plain[0], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(got[1:], plain[1:], rtol=1e-4, atol=1e-7)
    assert plain[0].any()


def test_the_network_stays_as_it_is():
    network = tiny_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Dann().prepare(network, "multilabel")
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("settings", [{"weight": -1.0}, {"weight": math.nan}, {"hidden": 0}, {"hidden": 2.5}])
def test_bad_settings(settings):
    with pytest.raises(ValueError, match="weight is 0 or more, and hidden is"):
        Dann(**settings)
