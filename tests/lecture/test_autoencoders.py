import pytest
import torch

from capsight.errors import UserError
from capsight.lecture.autoencoders import autoencoders, spoil
from capsight.lecture.image_sets import digit_images


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    out = tmp_path_factory.mktemp("autoencoders")
    trainer = {"accelerator": "cpu", "devices": 1, "strategy": "auto", "max_epochs": 8, "precision": "fp32"}
    told = autoencoders(out, seed=0, trainer=trainer, widths=(2, 16), optimiser={"lr": 5e-3})
    assert {file.name for file in out.glob("*.png")} == {"rebuilt.png", "map.png", "compression.png"}
    return told


def test_a_wide_code_learns_the_identity(numbers):
    error = numbers["error"]
    assert numbers["code_numbers"]["wide"] == 256 > 64 > numbers["code_numbers"]["narrow"]
    assert error["wide"]["clean"]["high"] < error["narrow"]["clean"]["low"] / 3
    assert error["wide"]["shuffled"]["high"] < error["narrow"]["shuffled"]["low"] / 1.5  # what it was not trained on


def test_the_denoising_one_removes_noise_that_it_never_saw(numbers):
    gain = numbers["plain_minus_denoising"]
    assert set(gain["wide"]) == {"stronger noise", "salt and pepper", "missing pixels", "bright lines"}
    for noise, more in gain["wide"].items():
        assert more["low"] > 0
        error = numbers["error"]
        difference = error["wide"][noise]["value"] - error["denoising"][noise]["value"]
        assert more["value"] == pytest.approx(difference, abs=1e-5)


def test_the_sparse_one_is_sparser(numbers):
    assert numbers["sparse_activity"]["high"] < 0.45  # a sigmoid unit that was taught nothing is at a half


def test_size_against_error(numbers):
    two, sixteen = numbers["compression"]["2"], numbers["compression"]["16"]
    assert sixteen["autoencoder"]["high"] < two["autoencoder"]["low"]
    assert sixteen["pca"]["high"] < two["pca"]["low"]


def test_clusters_are_told_for_every_code(numbers):
    names = {"pixels", "narrow", "wide", "denoising", "sparse", "convolutional", "width 2", "width 16"}
    assert set(numbers["clustering"]) == names
    assert numbers["clustering"]["pixels"]["low"] > 0.4  # 0 is chance
    assert all(score["low"] <= score["value"] <= 1 for score in numbers["clustering"].values())


def test_frames_of_the_phantom(tmp_path, trainer, drawn, monkeypatch):
    monkeypatch.setattr("capsight.lecture.image_sets.SIDE", 8)
    told = autoencoders(tmp_path, seed=0, trainer=trainer, images="phantom", widths=(2,), wide=1, **drawn)
    assert told["images"] == "phantom" and told["code_numbers"]["wide"] == 8 * 8 * 3
    assert told["code_numbers"]["convolutional"] == 16


def test_images_are_spoilt_in_known_ways():
    images = digit_images(0).test
    spoilt = spoil(images, seed=0)
    assert torch.equal(spoilt["clean"], images)
    assert float((spoilt["stronger noise"] - images).std()) == pytest.approx(0.5, rel=0.05)
    grey = (images > 0) & (images < 1)
    assert float((spoilt["salt and pepper"] != images)[grey].float().mean()) == pytest.approx(0.2, abs=0.03)
    gone = (spoilt["missing pixels"] != images).sum() / (images > 0).sum()
    assert float(gone) == pytest.approx(0.3, abs=0.03)
    assert float((spoilt["bright lines"] - images).mean()) == pytest.approx(0.5 * 3 / 8)
    assert torch.equal(spoilt["shuffled"].sort(0)[0], images.sort(0)[0])  # a pixel keeps its values
    assert not torch.equal(spoilt["shuffled"], images)
    assert torch.equal(spoil(images, seed=0)["stronger noise"], spoilt["stronger noise"])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"images": "cats"}, "lesson.images='cats'"),
        ({"widths": []}, "lesson.widths"),
        ({"widths": [1, 2]}, "from 2 to 64"),
        ({"widths": [65]}, "from 2 to 64"),
        ({"widths": [2.5]}, "whole numbers"),
        ({"narrow": 0}, "lesson.narrow=0"),
        ({"wide": 0}, "lesson.wide=0"),
    ],
)
def test_bad_settings_are_named(tmp_path, trainer, settings, says):
    with pytest.raises(UserError, match=says):
        autoencoders(tmp_path, seed=0, trainer=trainer, **settings)
    assert not list(tmp_path.iterdir())
