import pytest
import torch
import torch.nn.functional as F

from capsight.lecture.reconstruction import ReconstructionLearner, fit_reconstruction
from capsight.nn import evaluating
from capsight.nn.autoencoders import Autoencoder, DenoisingAutoencoder, SparseAutoencoder

RANDOM = torch.Generator().manual_seed(0)
INPUTS = torch.rand(40, 8, generator=RANDOM)


def score(network, **settings):
    """What a validation logs."""
    learner = ReconstructionLearner(network, optimiser={}, **settings)
    logged = {}
    learner.log = lambda name, value, **_: logged.update({name: value.item()})
    with torch.no_grad(), evaluating(learner):
        learner.validation_step((INPUTS,), 0)
    return logged["val_score"]


def test_the_score_is_the_negative_error():
    network = DenoisingAutoencoder((8, 3))
    with torch.no_grad(), evaluating(network):
        outputs = network(INPUTS)
    assert score(network) == pytest.approx(-(outputs - INPUTS).square().mean().item(), rel=1e-5)
    entropy = F.binary_cross_entropy(outputs.sigmoid(), INPUTS).item()
    assert score(network, logits=True) == pytest.approx(-entropy, rel=1e-5)


def test_sparsity_adds_the_penalty():
    network = SparseAutoencoder((8, 6))
    with torch.no_grad():
        penalty = network.penalty(network.encode(INPUTS)).item()
    assert score(network, sparsity=0.5) == pytest.approx(score(network) - 0.5 * penalty, rel=1e-5)


def fitted(out, trainer, network=None, **settings):
    torch.manual_seed(0)
    inputs = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) @ torch.ones(2, 8).triu()
    network = network or Autoencoder((8, 2))
    settings = {"batch_size": 20, "optimiser": {"lr": 0.1, "weight_decay": 0.0}, "seed": 0} | settings
    network = fit_reconstruction(network, inputs[:160], inputs[160:], out=out, trainer=trainer, **settings)
    with torch.no_grad():
        return network, (network(inputs[160:]) - inputs[160:]).square().mean().item()


def test_two_numbers_are_enough_for_a_plane(tmp_path, trainer):
    network, error = fitted(tmp_path, trainer | {"max_epochs": 12})
    assert not network.training
    assert error < 0.01  # the numbers themselves vary by 0.15
    assert (tmp_path / "checkpoints" / "best.ckpt").exists()


def test_noise_is_the_same_again_whatever_was_drawn_before(tmp_path, trainer):
    torch.manual_seed(0)
    errors = []
    for name in ("once", "again"):
        network = DenoisingAutoencoder((8, 2))
        network.load_state_dict({key: torch.full_like(value, 0.3) for key, value in network.state_dict().items()})
        errors.append(fitted(tmp_path / name, trainer, network)[1])
        torch.rand(17)
    assert errors[0] == errors[1]
