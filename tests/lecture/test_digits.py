import torch

from capsight.lecture.digits import digits


def test_every_digit_is_in_one_part():
    data = digits()
    images = torch.cat([part.tensors[0] for part in data]).flatten(1)
    assert len(images) == 1797
    assert [len(part) for part in data] == [1077, 360, 360]
    assert all(part.tensors[1].bincount().min() > 30 for part in data)
    assert images.min() >= 0 and images.max() == 1
    training, test = (set(map(tuple, part.tensors[0].flatten(1).tolist())) for part in (data.training, data.test))
    assert not training & test


def test_sizes_and_seeds():
    data = digits(32, channels=3, images=40)
    assert data.training.tensors[0].shape == (40, 3, 32, 32)
    assert not torch.equal(digits(seed=1).test.tensors[1], digits(seed=0).test.tensors[1])
    assert torch.equal(digits(seed=1).test.tensors[1], digits(seed=1).test.tensors[1])
