import dataclasses

import pytest
import torch
from steps import make_step
from torch import nn
from toy_training import tiny_network

from capsight.adaptation.base import Adaptation, Combined
from capsight.adaptation.few_shot import FewShot
from capsight.adaptation.joint import Joint


class Noting(Adaptation):
    """Notes its calls, and does something to images and networks that does not commute."""

    def __init__(self, name, calls, *, times=1.0, plus=0.0, loss=None):
        super().__init__()
        self.name, self.calls, self.times, self.plus, self.value = name, calls, times, plus, loss

    def prepare(self, network, task):
        self.calls.append((self.name, "prepare", task))

    def images(self, images, target, device=None):
        self.calls.append((self.name, "images", device))
        return self.times * images + self.plus

    def loss(self, step):
        self.calls.append((self.name, "loss"))
        return self.value

    def after_training(self, network, task, frames):
        self.calls.append((self.name, "after", task, [len(batch) for batch in frames()]))

    def at_test_time(self, network, task):
        self.calls.append((self.name, "test", task))
        return nn.ModuleDict({self.name: network})


def combine(**second):
    calls = []
    first = Noting("a", calls, times=2.0, loss=torch.tensor(3.0))
    return Combined([first, Noting("b", calls, **{"plus": 1.0, **second})]), calls


def test_each_hook_is_called_in_order():
    both, calls = combine()
    both.prepare(None, "exclusive")
    both.images(torch.zeros(1, 3, 2, 2), torch.tensor([True]), "devices")
    both.loss(None)
    both.after_training(None, "multilabel", lambda: [torch.zeros(2), torch.zeros(1)])
    both.at_test_time(nn.Identity(), "multilabel")
    expected = [("prepare", "exclusive"), ("images", "devices"), ("loss",), ("after", "multilabel", [2, 1])]
    expected.append(("test", "multilabel"))
    assert calls == [(name, *call) for call in expected for name in "ab"]


def test_images_and_networks_go_through_one_after_the_other():
    both, _ = combine()
    assert (both.images(torch.ones(1, 3, 2, 2), torch.tensor([True])) == 3).all()  # 2 x + 1 and not 2 (x + 1)
    network = nn.Identity()
    assert both.at_test_time(network, "multilabel")["b"]["a"] is network


def test_losses_are_added_and_a_method_without_one_adds_nothing():
    assert combine(loss=torch.tensor(-1.5))[0].loss(None) == 1.5
    assert combine(loss=None)[0].loss(None) == 3
    assert Combined([Adaptation(), Adaptation()]).loss(make_step()) is None
    value = torch.tensor(2.0, requires_grad=True)
    combine(loss=value**2)[0].loss(None).backward()
    assert value.grad == 4


@pytest.mark.parametrize("nothing", [Adaptation(), Combined(), Combined([Adaptation()])])
def test_what_no_method_needs_does_nothing(nothing):
    network = tiny_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images, target = torch.rand(2, 3, 16, 16), torch.tensor([False, True])
    nothing.prepare(network, "multilabel")
    assert nothing.images(images, target) is images
    assert nothing.loss(make_step()) is None
    nothing.after_training(network, "multilabel", lambda: iter(()))
    assert nothing.at_test_time(network, "multilabel") is network
    assert not nothing.needs_target and not nothing.needs_labels and not [*nothing.parameters()]
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)


def with_flag(name, value):
    method = Adaptation()
    setattr(method, name, value)
    return method


@pytest.mark.parametrize("flag", ["needs_target", "needs_labels", "trains"])
def test_what_any_method_needs_the_combination_needs(flag):
    off, on = with_flag(flag, False), with_flag(flag, True)
    assert getattr(Combined([off, on]), flag) and not getattr(Combined([off, off]), flag)
    assert not getattr(Combined(), flag)


def test_which_hooks_there_are():
    quiet, noting = Combined([Adaptation()]), Combined([Adaptation(), Noting("a", [])])
    assert not quiet.afterwards and not quiet.at_test
    assert noting.afterwards and noting.at_test


def test_weights_and_modes_of_the_methods_are_the_combinations():
    method = Adaptation()
    method.layer = nn.Linear(2, 1)
    both = Combined([Adaptation(), method])
    assert [*both.parameters()] == [*method.layer.parameters()]
    assert not both.eval().methods[1].training


def test_one_way_of_drawing_labelled_frames():
    assert Combined([FewShot(source_frames=5, target_frames=3), Adaptation()]).labelled_frames == (5, 3)
    assert Combined([FewShot(), FewShot()]).labelled_frames == (50, 14)
    assert Combined([Joint(), Adaptation()]).labelled_frames is None
    for pair in ([FewShot(), Joint()], [FewShot(), FewShot(target_frames=3)]):
        with pytest.raises(ValueError, match="different ways cannot be combined"):
            Combined(pair)


def test_a_step_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_step().task = "exclusive"
