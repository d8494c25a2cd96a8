import math
from dataclasses import replace

import pytest
import torch
from steps import TASKS, make_step
from toy_training import tiny_network

from capsight.adaptation.mcd import Mcd
from capsight.losses import multilabel_loss


def ready(task="multilabel", dropout=0.0, **settings):
    network, method = tiny_network(task, dropout), Mcd(**settings)
    method.prepare(network, task)
    return network, method


def wide_step(task="multilabel", **changes):
    """A step whose classification is the mean square of the source's logits."""
    changes = {"classification": lambda logits: (logits[:5] ** 2).mean(), **changes}
    return make_step(width=32, task=task, **changes)


def published(network, method, step):
    """Frame by frame and class by class: the classification of the second, and how far the two are apart."""
    first, second = (layer(step.embedding) for layer in (network.head.classifier, method.second))
    apart = []
    for one, other in zip(first[step.target], second[step.target], strict=True):
        p, q = (z.softmax(dim=0) if step.task == "exclusive" else z.sigmoid() for z in (one, other))
        apart += [(p[c] - q[c]).abs() for c in range(len(p))]
    return step.classification(second), torch.stack(apart).mean()


@pytest.mark.parametrize("task", TASKS)
def test_loss_is_the_papers(task):
    network, method = ready(task)
    step = wide_step(task)
    classification, apart = published(network, method, step)
    torch.testing.assert_close(method.loss(step), classification - apart)


@pytest.mark.parametrize("task", TASKS)
def test_classifiers_move_apart_and_the_embedding_brings_them_together(task):
    network, method = ready(task, weight=0.5)
    step = wide_step(task)
    learning = [step.embedding, *network.head.classifier.parameters(), *method.second.parameters()]
    got = torch.autograd.grad(method.loss(step), learning)
    classification, apart = published(network, method, step)
    own = torch.autograd.grad(classification, learning, retain_graph=True, materialize_grads=True)
    pull = torch.autograd.grad(apart, learning)
    strengths = [0.5 * math.tanh(5 * step.progress)] + [-1.0] * 4
    for g, o, p, strength in zip(got, own, pull, strengths, strict=True):
        torch.testing.assert_close(g, o + strength * p, rtol=1e-4, atol=1e-6)
    assert not pull[0][~step.target].any() and pull[0][step.target].any()


def test_the_second_classifier_is_the_methods_and_the_first_the_networks():
    network, method = ready()
    assert {name for name, _ in method.named_parameters()} == {"second.weight", "second.bias"}
    assert {name for name, _ in network.named_parameters()} == {name for name, _ in tiny_network().named_parameters()}
    network.head.classifier.load_state_dict(method.second.state_dict())
    assert method.loss(wide_step(classification=lambda logits: logits.sum() * 0)) == 0  # nothing apart


def test_the_second_has_the_dropout_of_the_first():
    network, method = ready(dropout=0.5)
    step = wide_step()
    assert method.loss(step) != method.loss(step)
    network.eval(), method.eval()
    assert method.loss(step) == method.loss(step)


def test_the_second_learns_from_known_labels():
    _, method = ready()
    step = make_step(width=32)
    step.targets[0, 1] = torch.nan
    known, z = ~step.targets.isnan(), method.second(step.embedding)
    cost = torch.nn.functional.binary_cross_entropy_with_logits(z[known], step.targets[known])
    apart = method.loss(replace(step, classification=lambda logits: logits.sum() * 0))
    loss = method.loss(replace(step, classification=lambda logits: multilabel_loss(logits, step.targets)))
    torch.testing.assert_close(loss, cost + apart)


def test_without_target_frames_there_is_nothing_apart():
    _, method = ready()
    step = wide_step(n_target=0)
    loss = method.loss(step)
    loss.backward()
    torch.testing.assert_close(loss, step.classification(method.second(step.embedding)))
    assert step.embedding.grad.isfinite().all()


@pytest.mark.parametrize("weight", [-1.0, math.nan])
def test_bad_weight(weight):
    with pytest.raises(ValueError, match=f"weight={weight}"):
        Mcd(weight=weight)
