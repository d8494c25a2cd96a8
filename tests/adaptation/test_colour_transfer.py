import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from capsight.adaptation.colour_transfer import DEVICES, GAMMA, ColourTransfer, monge_kantorovitch

SENSORS = torch.tensor(
    [[[1.0, 0.1, 0.0], [0.1, 0.8, 0.1], [0.0, 0.1, 0.6]], [[0.5, 0.2, 0.1], [0.2, 0.6, 0.2], [0.1, 0.2, 0.9]]]
)


def seen_by(sensor, scenes):
    """Scenes (n, 3, H, W) in linear light, as a sensor (3, 3) records them."""
    return torch.einsum("ij,njhw->nihw", sensor, scenes).clamp(1e-4, 1) ** (1 / GAMMA)


def draw_scenes(n, seed):
    generator = torch.Generator().manual_seed(seed)
    colours = torch.tensor([0.6, 0.3, 0.2])[:, None, None]
    return colours * (0.2 + 0.6 * torch.rand(n, 3, 12, 12, generator=generator))


def test_the_matrix_is_the_papers():
    rng = np.random.default_rng(0)
    s, c = (np.cov(rng.normal(size=(3, 9))) for _ in range(2))
    root = np.real(sqrtm(s))
    back = np.linalg.inv(root)
    expected = back @ np.real(sqrtm(root @ c @ root)) @ back
    t = monge_kantorovitch(torch.from_numpy(s), torch.from_numpy(c)).numpy()
    np.testing.assert_allclose(t, expected, rtol=1e-6)
    np.testing.assert_allclose(t @ s @ t.T, c, rtol=1e-6)


def test_each_source_gets_the_targets_colours():
    """The mean and the covariance of all frames of each capsule, in linear light, counted pixel by pixel."""
    scenes = draw_scenes(48, seed=0)
    device = torch.arange(48) % 3
    sensors = torch.stack([SENSORS[0], SENSORS[1].flip(0), SENSORS[1]])
    images = torch.cat([seen_by(sensors[number], scene[None]) for number, scene in zip(device, scenes, strict=True)])
    new = ColourTransfer(share=1.0).images(images, device == 2, device)
    assert torch.equal(new[device == 2], images[device == 2])

    def statistics(frames):
        pixels = (frames.double() ** GAMMA).transpose(0, 1).flatten(1).numpy()
        return pixels.mean(axis=1), np.cov(pixels, bias=True)

    mean, covariance = statistics(images[device == 2])
    for source in (0, 1):
        got = statistics(new[device == source])
        np.testing.assert_allclose(got[0], mean, atol=0.004)
        np.testing.assert_allclose(got[1], covariance, atol=0.002)
        assert np.abs(statistics(images[device == source])[0] - mean).max() > 0.03


def test_what_sets_a_frame_apart_stays():
    """Both capsules see the same scenes, so that a frame should become what the target would have seen."""
    scenes = draw_scenes(200, seed=1)
    scenes[:20, 1:] *= 0.2  # blood
    images = torch.cat([seen_by(sensor, scenes) for sensor in SENSORS])
    new = ColourTransfer(share=1.0).images(images, torch.arange(400) >= 200)
    error = (new[:200] - images[200:]).abs()
    assert error.mean() < 0.2 * (images[:200] - images[200:]).abs().mean()
    assert error[:20].mean() < 0.4 * (images[:20] - images[200:220]).abs().mean()


def test_statistics_go_on_from_batch_to_batch_and_are_kept():
    images = seen_by(SENSORS[0], draw_scenes(40, seed=2))
    target, at_once, in_parts = torch.arange(40) % 2 == 0, ColourTransfer(), ColourTransfer()
    at_once.images(images, target)
    for rows in torch.arange(40).split(12):
        in_parts.images(images[rows], target[rows])
    kept = ColourTransfer()
    kept.load_state_dict(in_parts.state_dict())
    for name in ("n_frames", "mean", "square"):
        torch.testing.assert_close(getattr(kept, name), getattr(at_once, name))
    assert kept.n_frames[:3].tolist() == [20, 20, 0]


def test_black_stays_black_and_counts_for_nothing():
    images = seen_by(SENSORS[0], draw_scenes(8, seed=3))
    whole = ColourTransfer(share=1.0)
    whole.images(images, torch.arange(8) < 4)
    bordered = torch.zeros(9, 3, 20, 20)  # the last frame is black
    bordered[:8, :, 4:16, 4:16] = images
    method = ColourTransfer(share=1.0)
    new = method.images(bordered, torch.arange(9) < 4)
    torch.testing.assert_close(method.mean, whole.mean)
    assert new.isfinite().all() and (new[bordered == 0] == 0).all() and not torch.equal(new, bordered)


@pytest.mark.parametrize("target", [[True] * 4, [False] * 4])
def test_without_source_or_target_nothing_changes(target):
    images = seen_by(SENSORS[0], draw_scenes(4, seed=4))
    assert torch.equal(ColourTransfer(share=1.0).images(images, torch.tensor(target)), images)


def test_capsules_without_colours_give_colours():
    images = torch.full((4, 3, 8, 8), 0.3)
    new = ColourTransfer(share=1.0).images(images, torch.tensor([False, False, True, True]))
    torch.testing.assert_close(new, images, atol=1e-3, rtol=0)


def test_bad_input():
    with pytest.raises(ValueError, match="share=2"):
        ColourTransfer(share=2)
    with pytest.raises(ValueError, match="more than"):
        ColourTransfer().images(torch.rand(2, 3, 4, 4), torch.tensor([False, True]), torch.tensor([0, DEVICES]))
