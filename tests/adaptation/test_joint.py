import pytest
from steps import make_step

from capsight.adaptation.joint import Joint


def test_the_targets_labelled_frames_are_pooled():
    method = Joint()
    assert method.needs_labels and not method.needs_target and method.labelled_frames is None


def test_the_models_own_loss_does_the_rest():
    assert Joint().trains and Joint().loss(make_step()) is None and not [*Joint().parameters()]


def test_it_has_no_settings():
    with pytest.raises(TypeError):
        Joint(share=1.0)
