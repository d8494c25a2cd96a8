import pytest
import torch

from capsight.nn.text import ConvText, EmbeddingMLP, LSTMText, RNNText

NETWORKS = [EmbeddingMLP, ConvText, RNNText, LSTMText]
TEXTS = torch.randint(1, 12, (3, 6), generator=torch.Generator().manual_seed(0))
PADDED = torch.tensor([[0, 0, 5, 7], [3, 1, 2, 9], [4, 0, 0, 0], [0, 0, 0, 0]])
LENGTHS = (2, 4, 1, 0)


def made(network, words=12, **settings):
    """A network in evaluation mode whose words differ enough to be told apart."""
    torch.manual_seed(0)
    network = network(words, width=4, **settings).eval()
    with torch.no_grad():
        network.embedding.weight[1:].normal_()
    return network


def words_of(row):
    return [token for token in row.tolist() if token]


@pytest.mark.parametrize("network", NETWORKS)
def test_padding_changes_nothing(network):
    network = made(network)
    expected = network(TEXTS)
    before, behind = torch.zeros(3, 5, dtype=torch.long), torch.zeros(3, 2, dtype=torch.long)
    torch.testing.assert_close(network(torch.cat([before, TEXTS, behind], 1)), expected)
    torch.testing.assert_close(network(torch.cat([TEXTS, before], 1)), expected)
    torch.testing.assert_close(network(TEXTS[:1]), expected[:1])


def test_the_mean_of_words_by_hand():
    network = made(EmbeddingMLP, hidden=5)
    for row, logits in zip(PADDED, network(PADDED), strict=True):
        mean = torch.zeros(4)
        for word in words_of(row):
            mean += network.embedding.weight[word] / len(words_of(row))
        torch.testing.assert_close(logits, network.layers(mean))


def test_convolutions_place_by_place():
    network = made(ConvText, filters=3, sizes=(2, 3))
    for row, logits in zip(PADDED, network(PADDED), strict=True):
        embedded = network.embedding.weight[words_of(row)]
        embedded = torch.cat([torch.zeros(2, 4), embedded, torch.zeros(2, 4)])
        strongest = []
        for convolution in network.convolutions:
            size = convolution.kernel_size[0]
            for weight, bias in zip(convolution.weight, convolution.bias, strict=True):
                responses = [
                    (weight.T * embedded[at : at + size]).sum() + bias for at in range(len(embedded) - size + 1)
                ]
                strongest.append(max(*responses, torch.tensor(0.0)))
        torch.testing.assert_close(logits, network.classifier(torch.stack(strongest)))


@pytest.mark.parametrize("network", [RNNText, LSTMText])
def test_recurrent_networks_word_by_word(network):
    network = made(network, hidden=5)
    for row, logits in zip(PADDED[:3], network(PADDED), strict=False):
        state = None
        for word in words_of(row):
            out, state = network.recurrent(network.embedding.weight[word][None], state)
        torch.testing.assert_close(logits, network.classifier(out[-1]))


@pytest.mark.parametrize(("network", "knows"), [(network, network is not EmbeddingMLP) for network in NETWORKS])
def test_who_knows_the_order_of_words(network, knows):
    network = made(network)
    assert torch.allclose(network(TEXTS), network(TEXTS.flip(1)), rtol=1e-4, atol=1e-6) != knows


@pytest.mark.parametrize("network", NETWORKS)
def test_dropout_is_there_in_training_only(network):
    network = made(network)
    assert torch.equal(network(TEXTS), network(TEXTS))
    network.train()
    assert not torch.equal(network(TEXTS), network(TEXTS))


@pytest.mark.parametrize("network", NETWORKS)
def test_padding_stays_zero_while_it_learns(network):
    network = made(network).train()
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    network(PADDED).square().sum().backward()
    optimiser.step()
    assert not network.embedding.weight[0].any()


@pytest.mark.parametrize("network", NETWORKS)
def test_texts_of_no_word_and_of_ten_thousand(network):
    network = made(network)
    nothing = network(torch.zeros(2, 0, dtype=torch.long))
    assert nothing.shape == (2, 2) and nothing.isfinite().all()
    torch.testing.assert_close(nothing, network(torch.zeros(2, 3, dtype=torch.long)))
    long = network(torch.randint(1, 12, (2, 10_000)))
    assert long.shape == (2, 2) and long.isfinite().all()


@pytest.mark.parametrize("network", NETWORKS)
def test_a_vocabulary_of_no_words(network):
    with pytest.raises(ValueError, match="words must be 1 or more, not 0"):
        network(0)
    assert network(1).eval()(torch.zeros(2, 5, dtype=torch.long)).shape == (2, 2)  # padding is all there is


@pytest.mark.parametrize("network", NETWORKS[1:])
def test_a_single_text_needs_its_axis(network):
    with pytest.raises(ValueError, match="tokens must be"):
        made(network)(TEXTS[0])
