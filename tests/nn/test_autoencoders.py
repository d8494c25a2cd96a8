import numpy as np
import pytest
import torch
import torch.nn.functional as F

from capsight.nn.autoencoders import (
    Autoencoder,
    ConvAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedDenoisingAutoencoder,
)

FLAT = torch.rand(6, 784, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("network", "inputs", "code"),
    [
        (Autoencoder(), FLAT.view(6, 1, 28, 28), (6, 32)),
        (DenoisingAutoencoder(), FLAT, (6, 32)),
        (SparseAutoencoder(), FLAT, (6, 256)),
        (ConvAutoencoder(), torch.rand(6, 3, 16, 24), (6, 8, 2, 3)),
        (StackedDenoisingAutoencoder(), FLAT, (6, 500)),
    ],
)
def test_from_the_input_to_the_code_and_back(network, inputs, code):
    network.eval()
    assert network.encode(inputs).shape == code
    assert network(inputs).shape == inputs.shape


def test_an_autoencoder_is_its_layers():
    network = Autoencoder((5, 4, 2))
    x = torch.randn(3, 5)
    (w1, b1), (w2, b2) = ((layer.weight, layer.bias) for layer in network.encoder[::2])
    (w3, b3), (w4, b4) = ((layer.weight, layer.bias) for layer in network.decoder[::2])
    code = (x @ w1.T + b1).clamp(min=0) @ w2.T + b2
    torch.testing.assert_close(network.encode(x), code)
    torch.testing.assert_close(network(x), (code @ w3.T + b3).clamp(min=0) @ w4.T + b4)


def test_a_code_as_wide_as_the_input_can_be_the_identity():
    network = Autoencoder((7, 7))
    with torch.no_grad():
        for layer in (*network.encoder, *network.decoder):
            torch.nn.init.eye_(layer.weight)
            layer.bias.zero_()
    x = torch.randn(3, 7)
    torch.testing.assert_close(network(x), x)


def test_noise_is_there_in_training_only():
    torch.manual_seed(0)
    network = DenoisingAutoencoder((784, 16))
    assert not torch.equal(network(FLAT), network(FLAT))
    network.eval()
    assert torch.equal(network(FLAT), network(FLAT))
    torch.testing.assert_close(network(FLAT), network.decode(network.encode(FLAT)))


def test_gaussian_noise_has_its_strength():
    torch.manual_seed(0)
    noise = DenoisingAutoencoder(noise="gaussian", strength=0.3).corrupt(FLAT) - FLAT
    assert float(noise.std()) == pytest.approx(0.3, rel=0.05)
    assert float(noise.mean()) == pytest.approx(0, abs=0.02)


def test_masking_takes_its_share_and_leaves_the_rest():
    torch.manual_seed(0)
    masked = DenoisingAutoencoder(noise="masking", strength=0.25).corrupt(FLAT)
    gone = masked == 0
    assert float(gone.float().mean()) == pytest.approx(0.25, abs=0.02)
    assert torch.equal(masked[~gone], FLAT[~gone])


def test_the_sparsity_of_ng():
    code = torch.tensor([[0.2, 0.05, 0.9], [0.4, 0.05, 0.7]])
    penalty = SparseAutoencoder((4, 3), activity=0.05).penalty(code)
    mean = np.array([0.3, 0.05, 0.8])
    expected = (0.05 * np.log(0.05 / mean) + 0.95 * np.log(0.95 / (1 - mean))).sum()
    assert float(penalty) == pytest.approx(expected, rel=1e-5)


def test_the_penalty_vanishes_at_the_wanted_activity_and_survives_extremes():
    network = SparseAutoencoder((4, 3), activity=0.1)
    assert float(network.penalty(torch.full((5, 3), 0.1))) == pytest.approx(0, abs=1e-6)
    code = torch.tensor([[0.0, 1.0, 0.5]], requires_grad=True)
    network.penalty(code).backward()
    assert code.grad.isfinite().all()


def test_the_l1_penalty_is_the_size_of_a_code():
    network = SparseAutoencoder((784, 8), sparsity="l1")
    code = network.encode(FLAT).detach()
    assert (code >= 0).all()
    assert float(network.penalty(code)) == pytest.approx(float(code.abs().sum() / len(code)), rel=1e-5)


def test_the_penalty_makes_a_code_sparse():
    torch.manual_seed(0)
    network = SparseAutoencoder((784, 32), activity=0.05)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    before = network.encode(FLAT).mean().item()
    for _ in range(60):
        code = network.encode(FLAT)
        loss = F.mse_loss(network(FLAT), FLAT) + 0.1 * network.penalty(code)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert before > 0.3
    assert network.encode(FLAT).mean().item() == pytest.approx(0.05, abs=0.03)


def test_sides_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="multiples of 8"):
        ConvAutoencoder()(torch.rand(1, 3, 20, 16))


def test_a_stack_is_its_layers():
    stack = StackedDenoisingAutoencoder((9, 6, 3)).eval()
    x = torch.rand(4, 9)
    assert torch.equal(stack.below(x, 0), x)
    (w1, b1), (w2, b2) = ((layer.encoder[0].weight, layer.encoder[0].bias) for layer in stack.layers)
    code = torch.sigmoid(torch.sigmoid(x @ w1.T + b1) @ w2.T + b2)
    torch.testing.assert_close(stack.below(x, 2), code)
    torch.testing.assert_close(stack.encode(x), code)
    (w3, b3), (w4, b4) = ((layer.decoder[0].weight, layer.decoder[0].bias) for layer in reversed(stack.layers))
    torch.testing.assert_close(stack(x), torch.sigmoid(torch.sigmoid(code @ w3.T + b3) @ w4.T + b4))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Autoencoder((784,)), "sizes"),
        (lambda: Autoencoder((784, 0)), "sizes"),
        (lambda: DenoisingAutoencoder(noise="pepper"), "gaussian, masking"),
        (lambda: DenoisingAutoencoder(noise="masking", strength=1.5), "strength"),
        (lambda: DenoisingAutoencoder(strength=-0.1), "strength"),
        (lambda: SparseAutoencoder(sparsity="l0"), "kl, l1"),
        (lambda: SparseAutoencoder(activity=0), "activity"),
    ],
)
def test_bad_arguments(make, text):
    with pytest.raises(ValueError, match=text):
        make()
