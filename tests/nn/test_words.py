import math

import numpy as np
import pytest
import torch

from capsight.nn.words import GloVe, SkipGram


def drawn(model):
    """Weights that are far from where they begin, so that every term of the loss counts."""
    torch.manual_seed(0)
    for weights in model.parameters():
        torch.nn.init.normal_(weights)
    return model


def test_the_skip_gram_loss_word_by_word():
    model = drawn(SkipGram(9, 4))
    centre, context = torch.tensor([1, 5, 5]), torch.tensor([2, 2, 8])
    negatives = torch.tensor([[3, 4], [5, 5], [1, 7]])
    words, contexts = model.centre.weight.tolist(), model.context.weight.tolist()

    def chance(word, other):
        return 1 / (1 + math.exp(-sum(a * b for a, b in zip(words[word], contexts[other], strict=True))))

    slow = 0.0
    for row in range(3):
        word = int(centre[row])
        slow -= math.log(chance(word, int(context[row])))
        slow -= sum(math.log(1 - chance(word, int(other))) for other in negatives[row])
    assert model(centre, context, negatives).item() == pytest.approx(slow / 3, rel=1e-5)


def test_a_skip_gram_starts_at_the_coin():
    model = SkipGram(9, 4)
    loss = model(torch.arange(9), torch.arange(9), torch.randint(9, (9, 5)))
    assert loss.item() == pytest.approx(6 * math.log(2), rel=1e-6)


def test_the_glove_loss_word_by_word():
    model = drawn(GloVe(9, 4, most=10.0, power=0.5))
    word, context, count = torch.tensor([1, 5, 5]), torch.tensor([2, 2, 8]), torch.tensor([0.25, 4.0, 1000.0])
    words, contexts = model.word.weight.tolist(), model.context.weight.tolist()
    slow = 0.0
    for i, j, x in zip(word.tolist(), context.tolist(), count.tolist(), strict=True):
        product = sum(a * b for a, b in zip(words[i], contexts[j], strict=True))
        miss = product + model.word_bias.weight[i].item() + model.context_bias.weight[j].item() - math.log(x)
        weight = (x / 10) ** 0.5 if x < 10 else 1.0
        slow += weight * miss**2
    assert model(word, context, count).item() == pytest.approx(slow / 3, rel=1e-5)


def test_glove_can_be_exact():
    """A table of counts that is a product of vectors is found again, up to the vectors' frame."""
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 7, 2))
    counts = np.exp(left @ right.T)
    word, context = (torch.from_numpy(places.ravel()) for places in np.indices(counts.shape))
    torch.manual_seed(0)
    model, count = GloVe(7, 3), torch.from_numpy(counts.ravel()).float()
    first = model(word, context, count).item()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(400):
        optimiser.zero_grad()
        loss = model(word, context, count)
        loss.backward()
        optimiser.step()
    assert loss.item() < 1e-4 * first


def test_skip_gram_puts_words_with_the_same_neighbours_together():
    """0 and 1 stand beside 2, and 3 and 4 beside 5."""
    centre, context = torch.tensor([0, 1, 3, 4]).repeat(10), torch.tensor([2, 2, 5, 5]).repeat(10)
    torch.manual_seed(0)
    model = SkipGram(6, 8)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(100):
        optimiser.zero_grad()
        model(centre, context, torch.randint(6, (40, 5))).backward()
        optimiser.step()
    a, b, c, d = torch.nn.functional.normalize(model.vectors[[0, 1, 3, 4]])
    assert min(a @ b, c @ d) > 0.2 + max(a @ c, a @ d, b @ c, b @ d)


def test_what_the_vectors_are():
    skip_gram, glove = drawn(SkipGram(9, 4)), drawn(GloVe(9, 4))
    torch.testing.assert_close(skip_gram.vectors, skip_gram.centre.weight.detach())
    torch.testing.assert_close(glove.vectors, glove.word.weight.detach() + glove.context.weight.detach())
    assert not glove.vectors.requires_grad and not skip_gram.vectors.requires_grad


@pytest.mark.parametrize("network", [SkipGram, GloVe])
def test_no_words_are_refused_and_one_is_enough(network):
    with pytest.raises(ValueError, match="words must be 1 or more, not 0"):
        network(0)
    assert network(1).vectors.shape == (1, 50)
