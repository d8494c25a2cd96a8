import pytest
import torch
from torch import nn

from capsight.lecture.pooling import Every, pooling


def test_max_pooling_tolerates_shifts(tmp_path, trainer):
    numbers = pooling(tmp_path, seed=0, trainer=trainer | {"max_epochs": 2}, shifts=2)
    changes, accuracies = numbers["response_change_by_shift"], numbers["accuracy_by_shift"]
    assert changes["max pooling"][0] == changes["every n-th response"][0] == 0
    assert changes["max pooling"][2] < 0.9 * changes["every n-th response"][2]
    assert accuracies["max pooling"][2] > accuracies["every n-th response"][2]
    assert all(len(values) == 3 for values in accuracies.values())
    assert all(field["calculated"] == field["measured"] for field in numbers["receptive_field"].values())
    assert {file.name for file in tmp_path.glob("*.png")} == {"pooling.png", "receptive_field.png"}


@pytest.mark.parametrize("n", [1, 2, 3])
def test_both_leave_the_same_size(n):
    maps = torch.rand(1, 2, 12, 12)
    assert Every(n)(maps).shape == nn.MaxPool2d(n)(maps).shape
    assert torch.equal(Every(n)(maps)[..., 1, 1], maps[..., n, n])
