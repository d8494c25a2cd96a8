import torch

from capsight.adaptation.decisions import entropy, log_probabilities


def test_multilabel_is_one_decision_per_finding():
    logits = torch.randn(5, 3)
    p = log_probabilities(logits, "multilabel").exp()
    assert p.shape == (5, 3, 2)
    torch.testing.assert_close(p[..., 1], logits.sigmoid())
    torch.testing.assert_close(p[..., 0], 1 - logits.sigmoid())


def test_exclusive_is_one_decision():
    logits = torch.randn(5, 4)
    torch.testing.assert_close(log_probabilities(logits, "exclusive").exp(), logits.softmax(dim=1)[:, None])


def test_entropy_is_that_of_the_distributions():
    logits = 3 * torch.randn(5, 4)
    classes = torch.distributions.Categorical(logits=logits).entropy().mean()
    torch.testing.assert_close(entropy(log_probabilities(logits, "exclusive")), classes)
    findings = torch.distributions.Bernoulli(logits=logits).entropy().mean()
    torch.testing.assert_close(entropy(log_probabilities(logits, "multilabel")), findings)


def test_sure_decisions_have_entropy_0_and_finite_gradients():
    for task in ("multilabel", "exclusive"):
        logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
        loss = entropy(log_probabilities(logits, task))
        loss.backward()
        assert loss == 0 and logits.grad.isfinite().all()
