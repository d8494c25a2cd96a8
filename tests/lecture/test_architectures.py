import pytest

from capsight.errors import UserError
from capsight.lecture.architectures import architectures


def test_the_table_without_training(tmp_path, trainer):
    numbers = architectures(tmp_path, seed=0, trainer=trainer)["networks"]
    assert numbers["alexnet"]["neurons"] == 659_272
    assert numbers["vgg16"]["parameters"] == 138_357_544
    assert numbers["vgg16"]["multiply_adds"] > 9 * numbers["googlenet"]["multiply_adds"]
    assert "total" in (tmp_path / "googlenet.txt").read_text()
    assert (tmp_path / "architectures.png").exists() and not (tmp_path / "checkpoints").exists()


def test_one_of_them_is_trained(tmp_path, trainer):
    settings = {"train": "googlenet", "image_size": 33, "images": 60, "batch_size": 10}
    numbers = architectures(tmp_path, seed=0, trainer=trainer | {"max_epochs": 3}, **settings)
    assert numbers["trained"]["googlenet"]["accuracy"]["value"] > 0.15
    assert (tmp_path / "googlenet.png").exists()


@pytest.mark.parametrize(
    ("settings", "text"),
    [({"train": "lenet"}, "lesson.train=lenet"), ({"train": "vgg16", "image_size": 40}, "multiple of 32")],
)
def test_bad_settings_are_named(tmp_path, trainer, settings, text):
    with pytest.raises(UserError, match=text):
        architectures(tmp_path, seed=0, trainer=trainer, **settings)
