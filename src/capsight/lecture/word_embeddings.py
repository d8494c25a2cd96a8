"""Word embeddings at work: learned without labels, the nearest words, and what they are worth where labels are few."""

from collections.abc import Sequence
from pathlib import Path

import torch

from capsight.data.reviews import split_reviews
from capsight.data.word_index import Vocabulary
from capsight.errors import UserError
from capsight.lecture.drawing import save
from capsight.lecture.few_labels import check_labels, compare_vectors
from capsight.lecture.review_data import some_reviews
from capsight.lecture.word_pairs import read_tokens
from capsight.lecture.word_pictures import nearest_picture, worth_picture
from capsight.lecture.word_vectors import learn_glove, learn_skip_gram, nearest

PROBES = ("good", "bad", "funny", "boring", "great", "awful", "actor", "music", "horror", "soldier")
NEAREST = 6  # words shown for a probe
VALIDATION = 0.1  # share of the published reviews from which those that choose an epoch are drawn


def word_embeddings(
    out: Path,
    *,
    seed: int,
    trainer: dict,
    archive: str = "",
    reviews: int = 4000,
    held_out: float = 0.2,
    num_words: int = 20000,
    width: int = 100,
    window: int = 5,
    often: float = 1e-4,
    negatives: int = 5,
    skip_gram_epochs: int = 2,
    skip_gram_updates: int = 900,
    glove_window: int = 10,
    glove_most: float = 10.0,
    glove_epochs: int = 8,
    glove_updates: int = 250,
    probes: Sequence[str] = PROBES,
    labels: int = 1000,
    draws: int = 5,
    length: int = 400,
    batch_size: int = 32,
) -> dict:
    """Learn word vectors from the text of all reviews but the test's, and classify with `labels` labels on them.

    archive: aclImdb_v1.tar.gz; without it reviews are made. The text of the held-out reviews is read too, without their
    labels; that of the test reviews is not. trainer: of the classifiers. Writes word_embeddings.png and
    nearest_words.png.
    """
    if min(width, window, glove_window, negatives, skip_gram_updates, glove_updates) < 1 or glove_most <= 0:
        raise UserError(
            "lesson.width, the windows, negatives and the updates are 1 or more, and glove_most is above 0."
        )
    table = some_reviews(archive, reviews, seed=seed)
    table["side"] = split_reviews(table, held_out=held_out, validation=VALIDATION, seed=seed)
    check_labels(table, labels=labels, draws=draws, length=length)
    read = table.loc[table["side"].isin(["train", "val", "held_out"]), "text"]
    numbering = {"num_words": num_words, "start_char": None, "oov_char": None, "index_from": 0}
    vocabulary = Vocabulary.count(read, **numbering)
    asked = [_index(probe, vocabulary) for probe in probes]

    tokens = read_tokens(read, vocabulary)
    shared = {"width": width, "seed": seed, "trainer": trainer}
    skip_gram = {"window": window, "often": often, "negatives": negatives}
    skip_gram |= {"epochs": skip_gram_epochs, "updates": skip_gram_updates, "out": out / "skip_gram"}
    glove = {"window": glove_window, "most": glove_most}
    glove |= {"epochs": glove_epochs, "updates": glove_updates, "out": out / "glove"}
    vectors = {
        "random": torch.randn(vocabulary.size, width, generator=torch.Generator().manual_seed(seed)),
        "skip_gram": learn_skip_gram(tokens, vocabulary.size, **shared, **skip_gram),
        "glove": learn_glove(tokens, vocabulary.size, **shared, **glove),
    }
    found = {name: [nearest(vectors[name], index, NEAREST) for index in asked] for name in ("skip_gram", "glove")}
    if probes and vocabulary.size > 2:  # else there is nothing to be near to
        save(nearest_picture(found, probes, vocabulary.words), out / "nearest_words.png")
    worth = compare_vectors(
        vectors,
        table,
        vocabulary,
        labels=labels,
        draws=draws,
        length=length,
        batch_size=batch_size,
        seed=seed,
        out=out,
        trainer=trainer,
    )
    save(worth_picture(worth["held_out"], labels), out / "word_embeddings.png")
    return {
        "source": "archive" if archive else "made reviews",
        "n_texts": len(read),
        "n_tokens": len(tokens.word),
        "n_words": vocabulary.size - 1,
        "labels": labels,
        "draws": draws,
        "n_held_out": int((table["side"] == "held_out").sum()),
        "n_test": int((table["side"] == "test").sum()),
        "nearest": {
            name: {
                probe: [vocabulary.words[row - 1] for row in rows]
                for probe, (rows, _) in zip(probes, per_probe, strict=True)
            }
            for name, per_probe in found.items()
        },
        **worth,
    }


def _index(probe: str, vocabulary: Vocabulary) -> int:
    if index := next(iter(vocabulary.encode(probe)), None):
        return index
    raise UserError(f"lesson.probes: {probe!r} is not among the {vocabulary.size - 1:,} words; ask for another.")
