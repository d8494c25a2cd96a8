import math

import pytest
import torch
from scipy.stats import entropy
from steps import TASKS, make_step
from toy_training import tiny_network

from capsight.adaptation.cdan import Cdan


def ready(task, **settings):
    method = Cdan(**{"hidden": 8, **settings})
    method.prepare(tiny_network(task), task)
    return method


def wide_step(task, **changes):
    return make_step(width=32, classes=2 if task == "multilabel" else 3, task=task, **changes)


def decisions(logits, task):
    """The distributions of one frame, one for each decision, from its logits."""
    if task == "exclusive":
        return [[math.exp(z) / sum(math.exp(other) for other in logits) for z in logits]]
    return [[1 - p, p] for p in (1 / (1 + math.exp(-z)) for z in logits)]


def published(method, step):
    """Frame by frame: the outer product with all decisions, each with the same share, and the weights of CDAN+E."""
    sides = {False: [], True: []}
    for embedding, logits, of_target in zip(step.embedding, step.logits.tolist(), step.target.tolist(), strict=True):
        taken = decisions(logits, step.task)
        product = [x * p / len(taken) for x in embedding for distribution in taken for p in distribution]
        d = torch.sigmoid(method.adversary.layers(torch.stack(product)))[0]
        mean_entropy = sum(entropy(distribution) for distribution in taken) / len(taken)
        weight = 1 + math.exp(-mean_entropy) if method.entropy else 1
        sides[of_target].append((weight, -torch.log(d if of_target else 1 - d)))
    means = [sum(w * cost for w, cost in side) / sum(w for w, _ in side) for side in sides.values()]
    return sum(means) / 2


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("weighted", [True, False])
def test_loss_is_the_papers(task, weighted):
    method, step = ready(task, entropy=weighted), wide_step(task)
    torch.testing.assert_close(method.loss(step), published(method, step))


@pytest.mark.parametrize("task", TASKS)
def test_the_embedding_learns_against_the_adversary_and_predictions_stay(task):
    method, step = ready(task, weight=0.5), wide_step(task)
    weights = [*method.adversary.parameters()]
    got = torch.autograd.grad(method.loss(step), [step.embedding, *weights])
    plain = torch.autograd.grad(published(method, step), [step.embedding, *weights])
    torch.testing.assert_close(got[0], -0.5 * math.tanh(1.5) * plain[0], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(got[1:], plain[1:], rtol=1e-4, atol=1e-7)
    method.loss(step).backward()
    assert step.logits.grad is None


def test_the_adversary_knows_what_is_predicted():
    """Embeddings say nothing, and predictions differ between the capsules: DANN would find nothing to learn."""
    method = ready("exclusive", entropy=False)
    logits = torch.tensor([[9.0, 0.0, 0.0]] * 5 + [[0.0, 9.0, 0.0]] * 4)
    step = wide_step("exclusive", embedding=torch.ones(9, 32), logits=logits)
    optimiser = torch.optim.Adam(method.parameters(), lr=0.01)
    for _ in range(100):
        optimiser.zero_grad()
        method.loss(step).backward()
        optimiser.step()
    assert method.loss(step) < 0.1 < math.log(2)


@pytest.mark.parametrize("task", TASKS)
def test_very_sure_predictions_are_finite(task):
    method, step = ready(task), wide_step(task)
    step.logits.data *= 1000
    loss = method.loss(step)
    loss.backward()
    assert loss.isfinite() and step.embedding.grad.isfinite().all()


@pytest.mark.parametrize("settings", [{"weight": -1.0}, {"weight": math.nan}, {"hidden": 0}, {"hidden": 2.5}])
def test_bad_settings(settings):
    with pytest.raises(ValueError, match="weight is 0 or more, and hidden is"):
        Cdan(**settings)
