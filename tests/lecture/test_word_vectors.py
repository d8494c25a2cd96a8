import numpy as np
import pytest
import torch

from capsight.errors import UserError
from capsight.lecture.word_pairs import Tokens
from capsight.lecture.word_vectors import PairBatches, VectorLearner, learn_glove, learn_skip_gram, nearest
from capsight.nn.words import GloVe, SkipGram

KINDS = {"animal": (1, 2, 3), "tool": (4, 5, 6)}
COMPANY = {"animal": (7, 8), "tool": (9, 10)}


def corpus(number=300):
    """Texts "company, thing, company": animals stand between 7 and 8, tools between 9 and 10."""
    rng = np.random.default_rng(0)
    words = []
    for _ in range(number):
        kind = ("animal", "tool")[rng.integers(2)]
        words += [*COMPANY[kind][:1], KINDS[kind][rng.integers(3)], *COMPANY[kind][1:]]
    return Tokens(np.array(words, np.int32), np.repeat(np.arange(number, dtype=np.int32), 3))


LEARN = {
    "skip_gram": (learn_skip_gram, {"window": 1, "often": 0.0, "negatives": 3}),
    "glove": (learn_glove, {"window": 1, "most": 100.0}),
}


@pytest.mark.parametrize("name", LEARN)
def test_words_in_the_same_company_come_together(name, tmp_path, trainer):
    learn, settings = LEARN[name]
    training = {"epochs": 10, "updates": 30, "out": tmp_path, "trainer": trainer, "seed": 0}
    vectors = learn(corpus(), 11, width=6, **settings, **training)
    assert vectors.shape == (11, 6)
    for things in KINDS.values():
        for thing in things:
            assert set(nearest(vectors[:7], thing, 2)[0]) == set(things) - {thing}


@pytest.mark.parametrize("name", LEARN)
def test_nothing_to_learn_is_refused(name, tmp_path, trainer):
    learn, settings = LEARN[name]
    alone = Tokens(np.arange(1, 5, dtype=np.int32), np.arange(4, dtype=np.int32))
    with pytest.raises(UserError, match="no two words"):
        learn(alone, 5, width=4, **settings, epochs=1, updates=1, out=tmp_path, trainer=trainer, seed=0)


def test_negatives_are_drawn_as_often_as_they_should():
    noise = np.array([0.0, 6.0, 3.0, 0.0, 1.0])
    learner = VectorLearner(SkipGram(5, 4), lr=0.1, noise=noise, negatives=4)
    torch.manual_seed(0)
    shares = learner.draw(5000).flatten().bincount(minlength=5) / 20_000
    assert shares[0] == shares[3] == 0
    assert shares.tolist() == pytest.approx([0, 0.6, 0.3, 0, 0.1], abs=0.02)


def test_the_nearest_by_cosine():
    vectors = torch.tensor([[1.0, 0.1], [1.0, 0.0], [5.0, 5.0], [0.2, 0.1], [-1.0, 0.0]])
    found, cosines = nearest(vectors, 1, 9)
    assert found == [3, 2, 4]  # neither the word itself nor padding
    assert cosines == pytest.approx([2 / 5**0.5, 1 / 2**0.5, -1.0], abs=1e-6)
    assert nearest(vectors[:2], 1, 9) == ([], [])


def test_batches_hold_every_pair_once():
    data = PairBatches([np.arange(10, dtype=np.int32), np.arange(10, 20, dtype=np.int32)], 4)
    parts = [data[index] for index in range(len(data))]
    assert [len(first) for first, _ in parts] == [4, 4, 2]
    assert torch.equal(torch.cat([first for first, _ in parts]) + 10, torch.cat([second for _, second in parts]))


def test_glove_needs_no_negatives():
    torch.manual_seed(0)
    network = GloVe(5, 4)
    batch = (torch.tensor([1, 2]), torch.tensor([3, 4]), torch.tensor([2.0, 5.0]))
    assert torch.equal(VectorLearner(network, lr=0.1).loss(batch), network(*batch))
