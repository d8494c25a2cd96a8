import pytest
from steps import make_step

from capsight.adaptation.few_shot import FewShot


def test_the_target_has_frames_of_its_own_in_a_batch():
    method = FewShot(source_frames=6, target_frames=2)
    assert method.needs_labels and not method.needs_target and method.labelled_frames == (6, 2)
    assert FewShot().labelled_frames == (50, 14)


def test_the_models_own_loss_does_the_rest():
    assert FewShot().trains and FewShot().loss(make_step()) is None and not [*FewShot().parameters()]


@pytest.mark.parametrize("settings", [{"source_frames": 0}, {"target_frames": 0}, {"target_frames": 2.5}])
def test_bad_numbers(settings):
    with pytest.raises(ValueError, match="source_frames and target_frames are"):
        FewShot(**settings)
