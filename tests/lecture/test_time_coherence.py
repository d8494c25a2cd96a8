import torch
import torch.nn.functional as F

from capsight.lecture.time_coherence import TimeLearner, relit, turned_each
from capsight.nn.captioner import FrameEncoder


def test_every_image_is_turned_by_itself():
    torch.manual_seed(0)
    image = torch.rand(3, 8, 8)
    seen = turned_each(image.expand(200, -1, -1, -1))
    assert len(seen.flatten(1).unique(dim=0)) == 8
    torch.testing.assert_close(seen.flatten(1).sort(1).values, image.flatten().sort().values.expand(200, -1))


def test_score_is_the_share_of_neighbours_that_are_nearest(monkeypatch):
    learner = TimeLearner(FrameEncoder(16), 16, margin=0.2, optimiser={}, seed=0)
    logged = {}
    monkeypatch.setattr(learner, "log", lambda name, value, **_: logged.update({name: float(value)}))
    points = F.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.12], [0.0, 1.0]]), dim=1)
    monkeypatch.setattr(learner, "forward", lambda images: points)
    learner.validation_step((torch.zeros(4, 3, 2, 2, dtype=torch.uint8), torch.tensor([0, 0, 1, 1])), 0)
    assert logged == {"val_score": 0.5}  # 0 → 1 and 3 → 2 are neighbours, 1 ↔ 2 are not


def test_light_changes_by_the_share():
    torch.manual_seed(0)
    images = torch.full((500, 3, 2, 2), 0.5)
    changed = relit(images, 0.2)
    factors = changed / images
    assert factors.amin() > 0.8 * 0.9 and factors.amax() < 1.2 * 1.1
    assert (factors == factors[..., :1, :1]).all()  # one light for the whole frame
    assert factors[..., 0, 0].std() > 0.05
    assert torch.equal(relit(images, 0.0), images)
    assert relit(torch.ones(50, 3, 2, 2), 0.5).amax() == 1


def test_neighbours_come_together_when_it_learns():
    """Two blocks of frames, red and green, that differ inside in brightness."""
    torch.manual_seed(0)
    light = torch.rand(32, 1, 1, 1)
    colour = torch.eye(3)[torch.arange(32) % 2, :, None, None]
    images = (255 * colour * (0.3 + 0.7 * light)).expand(-1, -1, 16, 16).to(torch.uint8)
    learner, classes = TimeLearner(FrameEncoder(16), 16, margin=0.5, optimiser={}, seed=0), torch.arange(32) % 2
    learner.log = lambda *_, **__: None
    optimiser = torch.optim.AdamW(learner.parameters(), lr=3e-3)
    losses = []
    for step in range(30):
        optimiser.zero_grad()
        loss = learner.training_step((images, classes), step)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[10:]) / 20 < losses[0] / 4
