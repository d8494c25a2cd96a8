import io
import tarfile

import pytest

from capsight.data.made_reviews import make_reviews
from capsight.errors import UserError
from capsight.lecture.sentiment import NETWORKS, sentiment

SMALL = {"reviews": 160, "length": 24, "recurrent_length": 24, "batch_size": 32}


def test_four_networks_and_what_they_cost(tmp_path, trainer):
    numbers = sentiment(tmp_path, seed=0, trainer=trainer, **SMALL)
    assert list(numbers["models"]) == list(NETWORKS)
    assert numbers["source"] == "made reviews" and numbers["n_test"] == 16
    assert numbers["n_train"] > 3 * numbers["n_held_out"] > 0
    for name, told in numbers["models"].items():
        words = NETWORKS[name](numbers["n_words"] + 4)
        assert told["parameters"] == sum(weights.numel() for weights in words.parameters())
        assert told["training_cpu_seconds"] >= 0
        assert 0 <= told["held_out"]["low"] <= told["held_out"]["value"] <= told["held_out"]["high"] <= 1
        assert set(told["pairs"]) == {"negation", "order"}
    assert numbers["models"]["mlp"]["pairs"]["order"] == 0.5  # the same words: it cannot tell
    assert (tmp_path / "sentiment.png").stat().st_size > 5000


def test_convolutions_learn_the_order_of_words(tmp_path, trainer):
    settings = SMALL | {"reviews": 1200, "models": ["mlp", "conv"]}
    models = sentiment(tmp_path, seed=0, trainer=trainer | {"max_epochs": 6}, **settings)["models"]
    assert models["mlp"]["held_out"]["value"] > 0.6
    assert models["conv"]["held_out"]["low"] > models["mlp"]["held_out"]["value"]
    assert models["conv"]["pairs"]["order"] > 0.8 > models["mlp"]["pairs"]["order"]


def test_an_archive_without_published_tests(tmp_path, trainer):
    with tarfile.open(tmp_path / "aclImdb_v1.tar.gz", "w:gz") as tar:
        for row, review in make_reviews(60, seed=0).iterrows():
            text = review["text"].encode()
            member = tarfile.TarInfo(f"aclImdb/train/{'pos' if review['label'] else 'neg'}/{row}_5.txt")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
    settings = SMALL | {"reviews": 0, "archive": str(tmp_path / "aclImdb_v1.tar.gz"), "models": ["mlp"]}
    numbers = sentiment(tmp_path, seed=0, trainer=trainer, **settings)
    assert numbers["source"] == "archive"
    assert numbers["n_test"] == 0 and "test" not in numbers["models"]["mlp"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"models": []}, "lesson.models: none"),
        ({"models": ["gru", "mlp"]}, "gru is not possible"),
        ({"reviews": 10}, "lesson.reviews=10"),
        ({"held_out": 0.0}, "held_out=0"),
        ({"held_out": 0.999, "validation": 0.0009}, "no review is left for"),
        ({"num_words": 0}, "num_words=0"),
        ({"length": 0}, "length=0"),
        ({"recurrent_length": 0, "models": ["lstm"]}, "recurrent_length=0"),
        ({"archive": "none.tar.gz"}, "cannot read none.tar.gz"),
    ],
)
def test_bad_settings_are_named(tmp_path, trainer, settings, says):
    with pytest.raises(UserError, match=says) as error:
        sentiment(tmp_path, seed=0, trainer=trainer, **SMALL | settings)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
