"""Each part of the recipe is switched on and off; a test of a part fails where its switch does nothing."""

import pytest
import torch
from torch import nn

from capsight.data.transforms import ten_crop
from capsight.errors import UserError
from capsight.learning.optimiser import build_optimiser
from capsight.lecture.recipe import RecipeLearner, random_crops, random_reflections, recipe
from capsight.nn import evaluating

IMAGES = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def learner(**parts):
    torch.manual_seed(0)
    return RecipeLearner(8, crop_size=28, **parts)


def has(network, kind):
    return any(isinstance(module, kind) for module in network.modules())


def descend(momentum):
    """Twenty steps down a valley that is a hundred times steeper across than along."""
    place = nn.Linear(2, 1, bias=False)
    nn.init.ones_(place.weight)
    optimiser = build_optimiser(place, name="sgd", lr=0.01, momentum=momentum, weight_decay=0.0)
    steepness = torch.tensor([[100.0, 1.0]])
    for _ in range(20):
        optimiser.zero_grad()
        loss = (steepness * place.weight.square()).sum() / 2
        loss.backward()
        optimiser.step()
    return loss.item(), [state.get("momentum_buffer") for state in optimiser.state.values()]


def test_momentum_is_faster_along_a_valley():
    with_it, buffers = descend(learner(momentum=0.9).optimiser["momentum"])
    without, none = descend(learner(momentum=0.0).optimiser["momentum"])
    assert with_it < without / 2
    assert buffers[0] is not None and not any(buffer is not None for buffer in none)


def test_dropout_is_drawn_in_training_alone():
    for dropout, differs in ((0.5, True), (0.0, False)):
        model = learner(dropout=dropout, normalise=False).train()
        assert (not torch.equal(model(IMAGES), model(IMAGES))) == differs
        model.eval()
        assert torch.equal(model(IMAGES), model(IMAGES))


def test_batch_normalisation_centres_what_it_gets():
    assert has(learner(normalise=True), nn.BatchNorm2d)
    assert not has(learner(normalise=False), nn.BatchNorm2d)
    for normalise, steady in ((True, True), (False, False)):
        model = learner(normalise=normalise, dropout=0.0, ten_crop=False).train()
        assert torch.allclose(model(IMAGES), model(10 * IMAGES), rtol=0.01, atol=0.01) == steady


@pytest.mark.parametrize(
    ("scheme", "std"), [("he", (2 / 288) ** 0.5), ("glorot", (2 / 576) ** 0.5), ("gaussian", 0.01)]
)
def test_initialisation_is_drawn_as_asked(scheme, std):
    weight = learner(initialisation=scheme).network.conv3b[0].weight
    assert weight.std().item() == pytest.approx(std, rel=0.05)


def test_an_unknown_initialisation_is_named():
    with pytest.raises(UserError, match="lesson.initialisation=best"):
        learner(initialisation="best")


def test_transfer_takes_all_but_the_classifier(tmp_path):
    source = learner()
    nn.init.constant_(source.network.conv1a[0].weight, 0.5)
    nn.init.constant_(source.network.classifier.weight, 0.5)
    torch.save({"state_dict": source.state_dict()}, tmp_path / "best.ckpt")
    model, own = learner(weights=str(tmp_path / "best.ckpt")), learner()
    for name, value in model.network.state_dict().items():
        taken = source if not name.startswith("classifier") else own
        assert torch.equal(value, taken.network.state_dict()[name])
    with pytest.raises(UserError, match="another network"):
        learner(weights=str(tmp_path / "best.ckpt"), width=4)
    with pytest.raises(UserError, match="no checkpoint"):
        learner(weights=str(tmp_path / "none.ckpt"))


def test_random_crops_are_windows_anywhere():
    marked = torch.arange(32 * 32.0).reshape(1, 1, 32, 32).expand(400, 1, -1, -1)
    crops = random_crops(marked, 28)
    corners = crops[:, 0, 0, 0].int()
    assert torch.equal(crops[7, 0], marked[0, 0, corners[7] // 32 :, corners[7] % 32 :][:28, :28])
    assert set((corners // 32).tolist()) == set((corners % 32).tolist()) == {0, 1, 2, 3, 4}


def test_half_of_the_reflections_happen():
    mirrored = (random_reflections(IMAGES[:1].expand(400, -1, -1, -1)) == IMAGES[0].flip(-1)).all(dim=(1, 2, 3))
    assert 160 < mirrored.sum() < 240


@pytest.mark.parametrize(("crops", "reflections", "kinds"), [(True, False, 25), (False, True, 2), (False, False, 1)])
def test_training_sees_what_is_switched_on(crops, reflections, kinds):
    seen = learner(crops=crops, reflections=reflections).augmented(IMAGES[:1].expand(400, -1, -1, -1))
    assert seen.shape == (400, 3, 28, 28)
    assert len(seen.flatten(1).unique(dim=0)) == kinds


def test_ten_crops_are_averaged():
    model = learner(ten_crop=True)
    with evaluating(model):
        expected = torch.stack([model.network(ten_crop(image[None], 28)[0]).mean(dim=0) for image in IMAGES])
        torch.testing.assert_close(model(IMAGES), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(model(IMAGES.flip(-1)), model(IMAGES), rtol=1e-4, atol=1e-5)
    single = learner(ten_crop=False)
    with evaluating(single):
        assert torch.equal(single(IMAGES), single.network(IMAGES[..., 2:30, 2:30]))
        assert not torch.allclose(single(IMAGES.flip(-1)), single(IMAGES), rtol=1e-4, atol=1e-5)


def test_every_part_that_is_on_is_left_out_once(tmp_path, trainer):
    small = {"classes": ["circle", "star of 3", "bar"], "images": 24, "width": 2}
    numbers = recipe(tmp_path, seed=0, trainer=trainer, reflections=False, dropout=0.0, **small)
    parts = ("momentum", "normalise", "initialisation", "crops", "ten_crop")
    assert list(numbers) == ["the whole recipe", *(f"without {part}" for part in parts)]
    assert all(0 <= scores["accuracy"]["value"] <= 1 for scores in numbers.values())
    assert (tmp_path / "recipe.png").exists()
    weights = str(tmp_path / "whole" / "checkpoints" / "best.ckpt")
    once = recipe(tmp_path / "more", seed=0, trainer=trainer, weights=weights, ablate=False, **small)
    assert list(once) == ["the whole recipe"]
