import copy
import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from steps import TASKS
from toy_frames import draw_frames
from toy_training import tiny_network

from capsight.adaptation.shot import Centroids, Shot, divergence
from capsight.nn import EmbeddingHead, FrameClassifier

LR = 0.01


def adapted(network, images, task="multilabel", size=50, **settings):
    network = copy.deepcopy(network)
    Shot(**{"epochs": 1, "lr": LR, **settings}).after_training(network, task, lambda: images.split(size))
    return network


def projecting(task="multilabel"):
    """A network whose embedding is projected, so that the head has weights beside the classifier's."""
    backbone = tiny_network().backbone
    return FrameClassifier(backbone, EmbeddingHead(backbone.width, 2 + (task == "exclusive"), dim=8)).eval()


def published_decisions(network, images, task):
    """Embeddings, and the distributions (N, K, C), with the statistics of the batch and without dropout."""
    embedding = network.embed(images)
    logits = network.head.classifier(embedding)
    if task == "exclusive":
        return embedding, logits.softmax(dim=1)[:, None]
    return embedding, torch.stack([1 - logits.sigmoid(), logits.sigmoid()], dim=2)


def cosine(centroid, embedding):
    length = math.hypot(*centroid) * math.hypot(*embedding)
    return centroid @ embedding / length if length else -1  # of no frame


def nearest(embeddings, p, prior):
    """Labels (N, K) of the nearest centroids, frame by frame; of two classes, by the prior's share."""
    labels = np.empty(p.shape[:2], dtype=int)
    for k in range(p.shape[1]):
        weights = p[:, k]
        for _ in range(2):
            centroids = [sum(w * e for w, e in zip(column, embeddings, strict=True)) for column in weights.T]
            similarity = np.array([[cosine(centroid, e) for centroid in centroids] for e in embeddings])
            labels[:, k] = similarity.argmax(axis=1)
            if p.shape[2] == 2:
                lead = similarity[:, 1] - similarity[:, 0]
                first = len(lead) - 1 - round((1 - prior[k, 1]) * (len(lead) - 1))  # so many have it
                labels[:, k] = 0
                labels[np.argsort(-lead)[:first], k] = 1
            weights = np.eye(p.shape[2])[labels[:, k]]
    return labels


@pytest.mark.parametrize("prior", ["predicted", "uniform"])
@pytest.mark.parametrize("task", TASKS)
def test_one_epoch_is_one_step_of_sgd_on_the_papers_loss(task, prior):
    network, images = projecting(task), draw_frames(40).images
    new = adapted(network, images, task, diversity=0.7, pseudo=0.4, prior=prior)

    twin = copy.deepcopy(network).train()
    embedding, p = published_decisions(twin, images, task)
    values = p.detach().double().numpy()
    shares = values.mean(axis=0) if prior == "predicted" else np.full(p.shape[1:], 1 / p.shape[2])
    labels = nearest(embedding.detach().double().numpy(), values, shares)
    n, decisions, classes = p.shape
    loss = 0.0
    for k in range(decisions):
        mean = p[:, k].mean(dim=0)
        loss = loss + 0.7 * sum(mean[c] * (mean[c] / shares[k, c]).log() for c in range(classes))
        for i in range(n):
            loss = loss - (p[i, k] * p[i, k].log()).sum() / n - 0.4 * p[i, k, labels[i, k]].log() / n
    (loss / decisions).backward()
    for name, weight in twin.named_parameters():
        learned = 0 if name.startswith("head.classifier") else LR * (weight.grad + 1e-3 * weight)
        expected = weight - learned
        torch.testing.assert_close(dict(new.named_parameters())[name], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_the_classifier_stays_and_the_rest_learns(task):
    network = projecting(task)
    new = adapted(network, draw_frames(100).images, task, epochs=2)
    before, after = network.state_dict(), new.state_dict()
    assert all(value.isfinite().all() for value in after.values())
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if not name.startswith("head.classifier")}
    assert [module.training for module in new.modules()] == [module.training for module in network.modules()]
    assert all(weight.grad is None and weight.requires_grad for weight in new.parameters())


def test_dropout_draws_nothing():
    network, images = tiny_network(dropout=0.5).eval(), draw_frames(60).images
    state = torch.get_rng_state()
    first, second = (adapted(network, images).state_dict() for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.mark.parametrize("task", TASKS)
def test_centroids_are_the_papers(task):
    random = np.random.default_rng(0)
    embeddings = random.normal(size=(31, 4)) + 0.5
    p = random.dirichlet(np.ones(2 if task == "multilabel" else 3), size=(31, 3 if task == "multilabel" else 1))
    prior = p.mean(axis=0) + (np.array([0.2, -0.2]) if task == "multilabel" else 0)
    teacher = Centroids(*(torch.from_numpy(values) for values in (embeddings, p, prior)))
    expected = nearest(embeddings, p, prior)
    np.testing.assert_array_equal(teacher.labels(torch.from_numpy(embeddings)).numpy(), expected)


def test_a_rare_finding_gets_its_share_and_not_half():
    torch.manual_seed(0)
    embeddings = torch.cat([torch.randn(90, 4) * 0.1 + 1, torch.randn(10, 4) * 0.1 + torch.tensor([1.0, -1, 1, -1])])
    sure = torch.cat([torch.full((90,), 0.1), torch.full((10,), 0.6)])
    p = torch.stack([1 - sure, sure], dim=1)[:, None]  # (N, 1, 2)
    labels = Centroids(embeddings, p, torch.tensor([[0.9, 0.1]])).labels(embeddings)[:, 0]
    assert labels[:90].sum() <= 1 and labels[90:].sum() >= 8


def test_a_class_without_frames_gets_none_that_are_far_from_the_others():
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.1], [-1.0, 1.0]])
    p = torch.tensor([[0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.8, 0.2, 0.0]])[:, None]
    labels = Centroids(embeddings, p, p.mean(dim=0)).labels(torch.tensor([[0.0, -1.0]]))
    assert labels.item() == 0


def test_the_divergence_is_the_mean_over_the_decisions():
    p, prior = (torch.rand(3, 4).softmax(dim=1) for _ in range(2))
    expected = np.mean([entropy(*rows) for rows in zip(p.numpy(), prior.numpy(), strict=True)])
    assert divergence(p, prior).item() == pytest.approx(expected, rel=1e-4)
    uniform = torch.full((3, 4), 0.25)  # the paper's term, up to the constant
    papers = np.mean([-entropy(row) for row in p.numpy()])
    assert divergence(p, uniform).item() == pytest.approx(papers + math.log(4), rel=1e-4)
    assert divergence(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 1.0]])) == 0


def test_batches_of_one_frame_are_left_out():
    network, images = tiny_network().eval(), draw_frames(41).images
    torch.testing.assert_close(
        adapted(network, images, size=40).state_dict(), adapted(network, images[:40], size=40).state_dict()
    )


@pytest.mark.parametrize("frames", [[], [torch.zeros(1, 3, 16, 16, dtype=torch.uint8)]])
def test_no_two_frames(frames):
    with pytest.raises(ValueError, match="no target frames to learn from"):
        Shot().after_training(tiny_network(), "multilabel", lambda: frames)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"epochs": 0}, "epochs is"),
        ({"epochs": 1.5}, "epochs is"),
        ({"lr": 0}, "lr is"),
        ({"diversity": -1}, "diversity"),
        ({"pseudo": math.nan}, "pseudo"),
        ({"prior": "guessed"}, "predicted, uniform"),
    ],
)
def test_bad_settings(settings, text):
    with pytest.raises(ValueError, match=text):
        Shot(**settings)
