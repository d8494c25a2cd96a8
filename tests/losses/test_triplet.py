import pytest
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner, TripletMarginMiner
from pytorch_metric_learning.reducers import AvgNonZeroReducer, MeanReducer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from capsight.losses import triplet_loss

MININGS = ("batch_all", "batch_hard", "semi_hard")


def draw(n=30, width=5, classes=4, seed=0, dtype=torch.float32):
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(-1, classes, (n,), generator=random)
    centres = 0.3 * torch.randn(classes + 1, width, generator=random, dtype=dtype)
    embeddings = centres[labels] + 0.5 * torch.randn(n, width, generator=random, dtype=dtype)
    return embeddings.requires_grad_(), labels


def plain_distances(embeddings, squared):
    squares = (embeddings[:, None] - embeddings[None]).square().sum(-1)
    return squares if squared else squares.clamp(min=1e-30).sqrt()


def naive(embeddings, labels, margin, mining, squared):
    """Anchor by anchor, with the list of all its triplets."""
    distances = plain_distances(embeddings, squared)
    hinges = []
    for a in torch.nonzero(labels >= 0).ravel():
        positives = distances[a, (labels == labels[a]) & (torch.arange(len(labels)) != a)]
        negatives = distances[a, (labels >= 0) & (labels != labels[a])]
        if mining == "batch_hard":
            if len(positives) and len(negatives):
                hinges.append((positives.max() - negatives.min() + margin).relu())
            continue
        for p in positives:
            active = p + margin > negatives
            if mining == "semi_hard":
                active &= p < negatives
            hinges.extend(p - negatives[active] + margin)
    return torch.stack(hinges).mean() if hinges else embeddings.sum() * 0


def loss_and_gradient(function, embeddings, *arguments, **options):
    embeddings = embeddings.detach().clone().requires_grad_()
    loss = function(embeddings, *arguments, **options)
    loss.backward()
    return loss.detach(), embeddings.grad


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("margin", [0.0, 0.2, 5.0])
def test_equals_the_naive_loss(mining, squared, margin):
    for seed in range(3):
        embeddings, labels = draw(seed=seed, dtype=torch.float64)
        ours = loss_and_gradient(triplet_loss, embeddings, labels, margin=margin, mining=mining, squared=squared)
        twin = loss_and_gradient(naive, embeddings, labels, margin, mining, squared)
        torch.testing.assert_close(ours, twin)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("mining", MININGS)
def test_equals_pytorch_metric_learning(mining, squared):
    embeddings, labels = draw(n=120, width=16, classes=6)
    embeddings, labels = embeddings[labels >= 0], labels[labels >= 0]
    distance = LpDistance(normalize_embeddings=False, power=2 if squared else 1)
    reducer = MeanReducer() if mining == "batch_hard" else AvgNonZeroReducer()
    miner = {
        "batch_all": lambda *_: None,
        "batch_hard": BatchHardMiner(distance=distance),
        "semi_hard": TripletMarginMiner(margin=0.4, type_of_triplets="semihard", distance=distance),
    }[mining]
    peer = TripletMarginLoss(margin=0.4, distance=distance, reducer=reducer)
    ours = loss_and_gradient(triplet_loss, embeddings, labels, margin=0.4, mining=mining, squared=squared)
    theirs = loss_and_gradient(lambda x: peer(x, labels, miner(x, labels)), embeddings)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("mining", ["batch_all", "semi_hard"])
def test_ties_count_as_in_the_cube(mining, squared):
    # On a grid of whole numbers with margin 2, very many triplets stand exactly at a border.
    random = torch.Generator().manual_seed(0)
    embeddings = torch.randint(0, 5, (40, 1), generator=random).float()
    labels = torch.randint(0, 3, (40,), generator=random)
    ours = loss_and_gradient(triplet_loss, embeddings, labels, margin=2.0, mining=mining, squared=squared)
    twin = loss_and_gradient(naive, embeddings, labels, 2.0, mining, squared)
    assert ours[0] > 0
    torch.testing.assert_close(ours, twin)


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("n", [0, 1, 2, 300])
@pytest.mark.parametrize("label", [-1, 0])
def test_without_triplets_zero_with_a_graph(mining, n, label):
    embeddings = torch.randn(n, 4, requires_grad=True)
    loss = triplet_loss(embeddings, torch.full((n,), label), mining=mining)
    loss.backward()
    assert loss == 0
    assert torch.equal(embeddings.grad, torch.zeros(n, 4))


@pytest.mark.parametrize("mining", MININGS)
def test_only_pairs_of_different_classes_is_no_triplet(mining):
    embeddings = torch.randn(5, 4, requires_grad=True)
    loss = triplet_loss(embeddings, torch.arange(5), mining=mining)
    loss.backward()
    assert loss == 0
    assert not embeddings.grad.any()


@pytest.mark.parametrize("mining", MININGS)
def test_well_separated_classes_cost_nothing(mining):
    embeddings = torch.tensor([[0.0], [0.1], [9.0], [9.1]], requires_grad=True)
    loss = triplet_loss(embeddings, torch.tensor([0, 0, 1, 1]), mining=mining)
    loss.backward()
    assert loss == 0
    assert not embeddings.grad.any()


@pytest.mark.parametrize("mining", MININGS)
def test_unknown_frames_take_no_part(mining):
    embeddings, labels = draw()
    spoilt = embeddings.detach().clone()
    spoilt[labels < 0] = torch.nan
    loss, gradient = loss_and_gradient(triplet_loss, spoilt, labels, mining=mining)
    known = labels >= 0
    expected = loss_and_gradient(triplet_loss, embeddings[known], labels[known], mining=mining)
    torch.testing.assert_close((loss, gradient[known]), expected)
    assert not gradient[~known].any()


@pytest.mark.parametrize("mining", MININGS)
def test_a_nan_among_the_known_is_not_hidden(mining):
    embeddings = torch.randn(6, 4)
    embeddings[2, 1] = torch.nan
    assert triplet_loss(embeddings, torch.tensor([0, 0, 0, 1, 1, 1]), margin=9.0, mining=mining).isnan()


@pytest.mark.parametrize("mining", ["batch_all", "batch_hard"])
def test_collapsed_embeddings(mining):
    # All equal: each hinge is the margin, and the gradient of a distance of 0 is 0.
    loss, gradient = loss_and_gradient(triplet_loss, torch.rand(1, 512).expand(300, 512), torch.arange(300) % 3)
    assert loss == pytest.approx(0.2)
    assert not gradient.any()


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("squared", [False, True])
def test_gradcheck(mining, squared):
    embeddings, labels = draw(n=12, width=3, classes=3, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: triplet_loss(x, labels, margin=0.4, mining=mining, squared=squared), embeddings
    )


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(mining, dtype):
    embeddings, labels = draw(n=60)
    half = embeddings.detach().to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # as in a Lightning training step
        loss, gradient = loss_and_gradient(triplet_loss, half, labels, mining=mining)
    expected, expected_gradient = loss_and_gradient(triplet_loss, half.float(), labels, mining=mining)
    assert loss.dtype == torch.float32
    assert loss == expected
    assert gradient.dtype == dtype
    assert torch.equal(gradient, expected_gradient.to(dtype))


@pytest.mark.parametrize("mining", ["batch_all", "semi_hard"])
def test_large_distances_swallow_the_margin(mining):
    # d + margin rounds to d: no negative lies between, and a tie is not active.
    embeddings = torch.tensor([[0.0], [1e5], [-1e5], [0.0]], requires_grad=True)
    loss = triplet_loss(embeddings, torch.tensor([0, 0, 1, 1]), margin=1e-4, mining=mining, squared=True)
    loss.backward()
    assert loss >= 0
    assert embeddings.grad.isfinite().all()
    if mining == "semi_hard":
        assert loss == 0


class LargestTensor(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.bytes = max(self.bytes, tensor.untyped_storage().nbytes())
        return result


@pytest.mark.parametrize("mining", MININGS)
def test_no_tensor_is_larger_than_the_distances(mining):
    n = 1500
    embeddings = torch.randn(n, 8, requires_grad=True)
    with LargestTensor() as largest:
        triplet_loss(embeddings, torch.arange(n) % 5, mining=mining).backward()
    assert largest.bytes == 4 * n * n  # the float32 distances themselves


@pytest.mark.parametrize("mining", MININGS)
def test_blocks_of_anchors_join(mining, monkeypatch):
    embeddings, labels = draw(n=50)
    whole = loss_and_gradient(triplet_loss, embeddings, labels, mining=mining)
    monkeypatch.setattr("capsight.losses.distances.ROWS", 7)
    torch.testing.assert_close(loss_and_gradient(triplet_loss, embeddings, labels, mining=mining), whole)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"embeddings": torch.zeros(4)}, "embeddings"),
        ({"embeddings": torch.zeros(4, 2, dtype=torch.long)}, "embeddings"),
        ({"labels": torch.zeros(3, dtype=torch.long)}, "labels"),
        ({"labels": torch.zeros(4, 1, dtype=torch.long)}, "labels"),
        ({"labels": torch.zeros(4)}, "labels"),
        ({"margin": -0.1}, "margin"),
        ({"margin": float("nan")}, "margin"),
        ({"mining": "hardest"}, "batch_all, batch_hard, semi_hard"),
    ],
)
def test_bad_input(change, text):
    arguments = {"embeddings": torch.zeros(4, 2), "labels": torch.zeros(4, dtype=torch.long)} | change
    with pytest.raises(ValueError, match=text):
        triplet_loss(arguments.pop("embeddings"), arguments.pop("labels"), **arguments)
