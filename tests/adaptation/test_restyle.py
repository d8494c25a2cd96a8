from functools import partial

import pytest
import torch

from capsight.adaptation.colour_transfer import ColourTransfer
from capsight.adaptation.fda import Fda
from capsight.adaptation.restyle import restyle

METHODS = [partial(Fda, beta=0.1), ColourTransfer]


def batch(source=5, target=3):
    images = torch.rand(source + target, 3, 12, 16).clamp(min=0.01)
    images[:, :, :2] = 0  # a border
    return images, torch.arange(source + target) >= source


def the_look(frames, looks):
    return looks


def test_source_frames_get_looks_of_target_frames_and_target_frames_stay():
    images, target = batch(source=40)
    new = restyle(images, target, 1.0, the_look)
    assert torch.equal(new[40:], images[40:])
    drawn = (new[:40, None] == images[None, 40:]).flatten(2).all(dim=2)
    assert (drawn.sum(dim=1) == 1).all() and drawn.any(dim=0).all()


def test_share_of_the_source_frames_is_changed():
    images, target = batch(source=1000)
    changed = (restyle(images, target, 0.3, the_look) != images).flatten(1).any(dim=1)
    assert 230 < changed.sum() < 370  # 4.8 standard deviations
    assert restyle(images, target, 0.0, the_look) is images


def test_black_stays_black_and_a_black_frame_is_nobodys_look():
    images, target = batch(source=30)
    images[-1] = 0
    new = restyle(images, target, 1.0, lambda frames, looks: looks + 0.5)
    assert (new[:30, :, :2] == 0).all() and (new[:30, :, 2:] > 0.5).all() and (new <= 1).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("source", "target"), [(4, 0), (4, 1), (1, 1), (0, 4)])
def test_batches_with_hardly_any_frames(method, source, target):
    images, is_target = batch(source, target)
    new = method(share=1.0).images(images, is_target)
    assert new.shape == images.shape and new.isfinite().all()
    assert torch.equal(new, images) == (source == 0 or target == 0)


@pytest.mark.parametrize("method", METHODS)
def test_precision_and_memory_format(method):
    images, target = batch(1, 1)  # one look only, so that nothing is drawn
    expected = method(share=1.0).images(images, target)
    assert torch.equal(images[0, :, :2], torch.zeros(3, 2, 16))
    last = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        new = method(share=1.0).images(last, target)
    assert new.is_contiguous(memory_format=torch.channels_last) and new.dtype == torch.float32
    torch.testing.assert_close(new, expected)


@pytest.mark.parametrize("method", METHODS)
def test_torchs_generator_decides(method):
    images, target = batch(source=20)
    results = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        results.append(method(share=0.5).images(images, target))
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])


@pytest.mark.parametrize("method", [Fda, ColourTransfer])
def test_bad_share(method):
    with pytest.raises(ValueError, match="share=1.5"):
        method(share=1.5)
