import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from capsight.errors import UserError
from capsight.learning.checkpoints import load_checkpoint
from capsight.lecture.fitting import batches, fit
from capsight.lecture.learners import ClassLearner

TRAINER = {"accelerator": "cpu", "devices": 1, "strategy": "auto", "max_epochs": 4, "precision": "fp32"}


def data(classes=7, n=70):
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % classes
    inputs = 3 * torch.eye(classes)[labels] + torch.randn(n, classes, generator=random)
    return TensorDataset(inputs, labels)


def learner(classes=7):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(classes, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, classes))
    return ClassLearner(network, optimiser={"lr": 0.05})


def fitted(out, model=None, **trainer):
    training, validation = batches(data(), batch_size=16, seed=0), batches(data(), batch_size=16)
    return fit(model or learner(), training, validation, out=out, trainer=TRAINER | trainer)


def test_it_learns_and_returns_the_best(tmp_path):
    model = fitted(tmp_path)
    assert not model.training
    inputs, labels = data().tensors
    assert (model(inputs).argmax(1) == labels).float().mean() > 0.8
    best = load_checkpoint(tmp_path / "checkpoints" / "best.ckpt")["state_dict"]
    torch.testing.assert_close(dict(model.state_dict()), dict(best))
    log = (tmp_path / "logs" / "version_0" / "metrics.csv").read_text()
    assert "val_score" in log and "val_top5_error" in log


def test_a_resumed_training_is_the_uninterrupted_one(tmp_path):
    whole = fitted(tmp_path / "whole")

    class Killed(ClassLearner):
        def on_train_epoch_start(self):
            if self.current_epoch == 2:
                raise KeyboardInterrupt

    torch.manual_seed(0)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fitted(tmp_path / "parts", Killed(learner().network, optimiser={"lr": 0.05}))
    torch.rand(17)  # what else happens to the generator does not matter
    resumed = fitted(tmp_path / "parts")
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_shuffled_anew_in_every_epoch():
    loader = batches(data(), batch_size=70, seed=0)
    first = next(iter(loader))[1]
    loader.sampler.set_epoch(1)
    assert not torch.equal(first, next(iter(loader))[1])
    assert torch.equal(next(iter(batches(data(), batch_size=70)))[1], data().tensors[1])


def test_no_epoch_and_no_batch_are_refused(tmp_path):
    with pytest.raises(UserError, match="max_epochs"):
        fitted(tmp_path, max_epochs=0)
    with pytest.raises(UserError, match="batches of 0"):
        batches(data(), batch_size=0)
