import io
import tarfile

import pytest

from capsight.errors import UserError
from capsight.lecture.word_embeddings import PROBES, word_embeddings

SMALL = {
    "reviews": 400,
    "width": 8,
    "often": 0.0,
    "skip_gram_updates": 40,
    "glove_updates": 20,
    "glove_epochs": 2,
    "labels": 20,
    "draws": 1,
    "length": 40,
}
HEROES = {"doctor", "teacher", "sailor", "thief", "queen", "farmer", "robot", "detective", "painter", "nurse", "pilot"}


def archive(file, texts):
    """Write an archive of reviews as published, half of them for training; every review is of a film of its own."""
    with tarfile.open(file, "w:gz") as tar:
        for number, text in enumerate(texts):
            split, kind = ("train", "test")[number % 2], ("pos", "neg")[number // 2 % 2]
            info = tarfile.TarInfo(f"aclImdb/{split}/{kind}/{number}_{'9' if kind == 'pos' else '2'}.txt")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return str(file)


def test_made_reviews(tmp_path, trainer):
    settings = SMALL | {"reviews": 800, "skip_gram_updates": 100, "skip_gram_epochs": 4}
    numbers = word_embeddings(tmp_path, seed=0, trainer=trainer, **settings)
    nearest = numbers["nearest"]["skip_gram"]
    assert list(nearest) == list(PROBES) and all(len(words) == 6 for words in nearest.values())
    assert len(HEROES & set(nearest["soldier"])) >= 3  # about a thirtieth of the words are others of its kind
    assert numbers["n_texts"] == 720 and numbers["n_words"] > 100
    for side in ("held_out", "test"):
        assert set(numbers[side]["frozen"]["accuracy"]) == {"random", "skip_gram", "glove"}
    assert {file.name for file in tmp_path.glob("*.png")} == {"nearest_words.png", "word_embeddings.png"}


def test_an_archive_is_read_but_the_tests_words_are_not(tmp_path, trainer):
    texts = [f"seen film {number} was good and fun" if number % 2 == 0 else f"unseen {number}" for number in range(200)]
    file = archive(tmp_path / "reviews.tar.gz", texts)
    settings = SMALL | {"reviews": 0, "labels": 10, "archive": file}
    numbers = word_embeddings(tmp_path, seed=0, trainer=trainer, probes=["good", "seen"], **settings)
    assert numbers["source"] == "archive" and numbers["n_texts"] == numbers["n_test"] == 100
    with pytest.raises(UserError, match="'unseen' is not among"):
        word_embeddings(tmp_path, seed=0, trainer=trainer, probes=["unseen"], **settings)


@pytest.mark.parametrize("texts", [["!" * n for n in range(1, 80)], ["word" + "!" * n for n in range(1, 80)]])
def test_a_vocabulary_of_no_words_or_of_one(tmp_path, trainer, texts):
    file = archive(tmp_path / "reviews.tar.gz", texts)
    with pytest.raises(UserError, match="no word|no two words") as refused:
        word_embeddings(tmp_path, seed=0, trainer=trainer, archive=file, **SMALL | {"reviews": 0, "probes": []})
    assert "\n" not in str(refused.value)


def test_a_review_of_ten_thousand_words(tmp_path, trainer):
    texts = [f"film {number} was {'very ' * 10_000 if number == 0 else ''}good" for number in range(200)]
    settings = SMALL | {"reviews": 0, "labels": 10, "length": 10_000, "probes": ["good"]}
    file = archive(tmp_path / "reviews.tar.gz", texts)
    assert word_embeddings(tmp_path, seed=0, trainer=trainer, archive=file, **settings)["n_tokens"] > 10_000


def test_two_words_and_no_probe(tmp_path, trainer):
    file = archive(tmp_path / "reviews.tar.gz", [f"good good {'bad ' * number}" for number in range(80)])
    settings = SMALL | {"reviews": 0, "labels": 10, "archive": file, "num_words": 3, "probes": []}
    numbers = word_embeddings(tmp_path, seed=0, trainer=trainer, **settings)
    assert numbers["n_words"] == 2 and numbers["nearest"] == {"skip_gram": {}, "glove": {}}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"width": 0}, "lesson.width"),
        ({"window": 0}, "windows"),
        ({"glove_most": 0.0}, "glove_most"),
        ({"num_words": 0}, "num_words=0"),
        ({"num_words": 1}, "num_words=1"),
        ({"probes": ["zebra"]}, "'zebra' is not among"),
        ({"skip_gram_epochs": 0}, "no epoch"),
        ({"reviews": 3}, "lesson.reviews=3"),
        ({"labels": 1000}, "lesson.labels=1000"),
        ({"length": 0}, "length=0"),
    ],
)
def test_bad_settings_are_named(tmp_path, trainer, settings, text):
    with pytest.raises(UserError, match=text) as refused:
        word_embeddings(tmp_path, seed=0, trainer=trainer, **SMALL | settings)
    assert "\n" not in str(refused.value)
