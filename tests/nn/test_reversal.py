import pytest
import torch

from capsight.nn.reversal import DomainClassifier, reversal_strength, reverse_gradient


def finite_differences(function, x, step=1e-6):
    gradient = torch.zeros_like(x)
    for i in range(x.numel()):
        moved = torch.zeros_like(x)
        moved.view(-1)[i] = step
        gradient.view(-1)[i] = (function(x + moved) - function(x - moved)) / (2 * step)
    return gradient


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_values_stay_and_the_gradient_is_the_negative_slope(strength):
    x = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)

    def function(x):
        return (reverse_gradient(x, strength) ** 3).sum() + x.sin().sum()

    function(x).backward()
    slope = finite_differences(lambda x: (x**3).sum(), x.detach())
    torch.testing.assert_close(x.grad, -strength * slope + x.detach().cos(), rtol=1e-6, atol=1e-8)
    assert torch.equal(reverse_gradient(x, strength), x)


def test_what_comes_after_minimises_and_what_comes_before_maximises():
    x, w = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    (w * reverse_gradient(x, 0.5)).backward()
    assert w.grad == 2 and x.grad == -1.5


def test_strength_rises_from_nothing_to_one():
    strengths = [reversal_strength(step / 10) for step in range(11)]
    assert strengths[0] == 0
    assert strengths == sorted(strengths)
    assert strengths[1] == pytest.approx(0.46211716)  # tanh(0.5)
    assert strengths[-1] == pytest.approx(0.99990920)


def test_the_domain_classifier_learns_and_the_features_get_the_reverse():
    torch.manual_seed(0)
    classifier = DomainClassifier(5, 8)
    features = torch.randn(6, 5, requires_grad=True)
    gradients = []
    for strength in (-1.0, 0.5):  # -1: the gradient as it would be without reversal
        weights = [*classifier.parameters()]
        gradients.append(torch.autograd.grad(classifier(features, strength).sum(), [features, *weights]))
    torch.testing.assert_close(gradients[1][0], -0.5 * gradients[0][0])
    assert gradients[0][0].any()
    for plain, reversed_ in zip(gradients[0][1:], gradients[1][1:], strict=True):
        assert torch.equal(plain, reversed_)


def test_the_domain_classifier_stays_in_float32_under_autocast():
    classifier = DomainClassifier(5, 8)
    features = torch.randn(4, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = classifier(features, 1.0)
    assert logits.shape == (4,)
    assert torch.equal(logits, classifier(features, 1.0))
