import numpy as np
import pandas as pd
import pytest
import torch

from capsight.data.word_index import Vocabulary
from capsight.errors import UserError
from capsight.lecture.few_labels import check_labels, compare_vectors, scaled

GOOD, BAD = [f"good{n}" for n in range(60)], [f"bad{n}" for n in range(60)]
VOCABULARY = Vocabulary((*GOOD, *BAD), start_char=None, oov_char=None, index_from=0)


def reviews(number=400):
    """Reviews of three words of many, so that most words of a new one were in none that has a label."""
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=number)
    texts = [" ".join(rng.choice(GOOD if good else BAD, 3)) for good in label]
    side = np.array(["train", "val", "held_out", "test"])[np.minimum(np.arange(number) * 5 // number, 3)]
    table = pd.DataFrame({"text": texts, "label": label, "side": side})
    table["movie"] = pd.array([pd.NA] * number, dtype="string")
    return table


def vectors():
    """Random ones, and such as know what is good."""
    torch.manual_seed(0)
    random = torch.randn(VOCABULARY.size, 8)
    knowing = random.clone()
    knowing[1:61, 0] += 5
    knowing[61:, 0] -= 5
    return {"random": random, "knowing": knowing, "same": random.clone()}


def compared(tmp_path, trainer, **settings):
    common = {"labels": 20, "draws": 2, "length": 10, "batch_size": 4, "seed": 0, "out": tmp_path}
    return compare_vectors(vectors(), reviews(), VOCABULARY, trainer=trainer, **common | settings)


def test_vectors_that_know_are_worth_something(tmp_path, trainer):
    worth = compared(tmp_path, trainer | {"max_epochs": 8})
    assert set(worth) == {"held_out", "test"} and set(worth["test"]) == {"frozen", "tuned"}
    for side in worth.values():
        for way in side.values():
            gain = way["gain_over_random"]["knowing"]
            accuracy = {name: share["value"] for name, share in way["accuracy"].items()}
            assert gain["low"] > 0.05 and accuracy["knowing"] > 0.9
            assert gain["value"] == pytest.approx(accuracy["knowing"] - accuracy["random"])
            assert np.mean(way["gain_by_draw"]["knowing"]) == pytest.approx(gain["value"])
    frozen = worth["held_out"]["frozen"]
    assert frozen["gain_by_draw"]["same"] == [0.0, 0.0]  # the same labels, weights and batches
    assert frozen["gain_over_random"]["same"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", [1, 10_000])
def test_texts_of_any_length(tmp_path, trainer, length):
    worth = compared(tmp_path, trainer, length=length, draws=1)
    assert set(worth["test"]["tuned"]["accuracy"]) == {"random", "knowing", "same"}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"labels": 0}, "lesson.labels=0"),
        ({"labels": 2}, "lesson.labels=2"),
        ({"labels": 1000}, "lesson.labels=1000"),
        ({"draws": 0}, "draws=0"),
        ({"length": 0}, "length=0"),
        ({"table": reviews().query("side != 'test'")}, "no review is left"),
    ],
)
def test_too_little_is_refused(settings, text):
    possible = {"table": reviews(), "labels": 20, "draws": 1, "length": 1}
    check_labels(**possible)
    with pytest.raises(UserError, match=text) as refused:
        check_labels(**possible | settings)
    assert "\n" not in str(refused.value)


def test_scaling_keeps_what_differs():
    vectors = 3 + 7 * torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    result = scaled(vectors, 0.5)
    assert not result[0].any()
    assert result[1:].mean(0).abs().max() < 1e-5
    assert float(result[1:].std()) == pytest.approx(0.5, rel=1e-5)
    differences = (result[1:] - result[1]) / (vectors[1:] - vectors[1])
    torch.testing.assert_close(differences[1:], differences[1, 0].expand(48, 4))
    assert scaled(torch.ones(3, 4), 0.5).isfinite().all()
