"""Faithfulness on scores that are linear in the pixels, where all of it can be worked out, and against loops."""

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients

from capsight.explain import faithfulness
from capsight.explain.faithfulness import blurred, deletion_insertion, infidelity, max_sensitivity, probability_of

SIZE = 12


def images(n: int = 3) -> torch.Tensor:
    """Tissue of random colours in a round view."""
    generator = torch.Generator().manual_seed(0)
    place = torch.arange(SIZE) - (SIZE - 1) / 2
    view = (place**2 + place[:, None] ** 2) < (SIZE / 2) ** 2
    return (0.2 + 0.7 * torch.rand(n, 3, SIZE, SIZE, generator=generator)) * view


WEIGHTS = torch.randn(3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)) / 50


def linear(frames: torch.Tensor) -> torch.Tensor:
    return (frames * WEIGHTS).sum(dim=(1, 2, 3))


def exact_maps(frames: torch.Tensor) -> torch.Tensor:
    """How much the linear score loses where a pixel is blurred."""
    return ((frames - blurred(frames)) * WEIGHTS).sum(dim=1)


def random_maps(seed: int, n: int = 3) -> torch.Tensor:
    return torch.randn(n, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def test_blur_leaves_the_black_and_the_mean_colour():
    frames = images(4)
    blank = blurred(frames)
    view = (frames > 0).any(dim=1)
    for frame, blank_frame, seen in zip(frames, blank, view, strict=True):
        assert (blank_frame[:, ~seen] == 0).all()
        colours, before = blank_frame[:, seen], frame[:, seen]
        assert colours.std(dim=1).max() < 0.2 * before.std(dim=1).min()
        assert torch.allclose(colours.mean(dim=1), before.mean(dim=1), atol=0.05)
    flat = torch.where(view[:, None], 0.4, 0.0).expand_as(frames)
    assert torch.allclose(blurred(flat), flat, atol=1e-6)  # no black leaks in at the rim


def test_blur_agrees_with_a_sum_over_all_pixels():
    frame = images(1)[0]
    view = (frame > 0).any(dim=0)
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    expected = torch.zeros_like(frame)
    for row, column in view.nonzero().tolist():
        near = ((y - row).abs() <= 3 * SIZE / 4) & ((x - column).abs() <= 3 * SIZE / 4)
        weight = torch.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * (SIZE / 4) ** 2)) * view * near
        expected[:, row, column] = (frame * weight).sum(dim=(1, 2)) / weight.sum()
    assert torch.allclose(blurred(frame[None])[0], expected, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 7, 20])
def test_curves_agree_with_a_loop(steps):
    frames, maps = images(), random_maps(2)
    deletion, insertion = deletion_insertion(lambda x: linear(x).sigmoid(), frames, maps, steps=steps)
    for row, (frame, blank, map) in enumerate(zip(frames, blurred(frames), maps, strict=True)):
        order = map.flatten().argsort(descending=True)
        curves = {"deleted": [], "inserted": []}
        for step in range(steps + 1):
            first = order[: round(step * SIZE**2 / steps)]
            for name, start, end in (("deleted", frame, blank), ("inserted", blank, frame)):
                changed = start.flatten(1).clone()
                changed[:, first] = end.flatten(1)[:, first]
                curves[name].append(float(linear(changed.view(1, 3, SIZE, SIZE)).sigmoid()))
        areas = [np.trapezoid(curve, dx=1 / steps) for curve in curves.values()]
        assert [deletion[row], insertion[row]] == pytest.approx(areas, abs=1e-6)


def test_the_exact_map_of_a_linear_score_cannot_be_beaten():
    frames = images()
    deletion, insertion = deletion_insertion(linear, frames, exact_maps(frames))
    for seed in range(10):
        other_deletion, other_insertion = deletion_insertion(linear, frames, random_maps(seed))
        assert (deletion < other_deletion).all() and (insertion > other_insertion).all()
    # What is deleted and what is inserted make up the frame and the blurred frame.
    assert deletion + insertion == pytest.approx((linear(frames) + linear(blurred(frames))).numpy(), abs=1e-5)


def test_ties_follow_no_direction():
    """The score is how much of the upper half is not blurred: of a constant map, half of it goes by the middle step."""
    frame = images(1)
    blank = blurred(frame)

    def upper(x):
        return (x - blank).abs()[..., : SIZE // 2, :].mean(dim=(1, 2, 3))

    constant = torch.ones(1, SIZE, SIZE)
    deletion, insertion = deletion_insertion(upper, frame, constant)
    assert [*deletion, *insertion] == pytest.approx([float(upper(frame)) / 2] * 2, rel=0.2)
    assert deletion_insertion(upper, frame, constant)[0] == deletion


def test_infidelity_is_the_residual_of_the_best_factor():
    frames, maps = images(), random_maps(3)
    found = infidelity(linear, frames, maps, samples=25)
    for row, (frame, map) in enumerate(zip(frames, maps, strict=True)):
        random = np.random.default_rng(0)
        squares = torch.cat([faithfulness._squares(frame[None], random) for _ in range(25)])
        fall = linear(frame[None]) - linear(torch.where(squares, blurred(frame[None]), frame))
        evidence = (squares[:, 0] * map).sum(dim=(1, 2))
        factor = (evidence @ fall) / (evidence @ evidence)
        assert found[row] == pytest.approx(float(((factor * evidence - fall) ** 2).mean()), rel=1e-3)


def test_infidelity_of_the_exact_map_is_zero_in_any_unit():
    frames = images()
    scale = float((infidelity(linear, frames, torch.zeros(3, SIZE, SIZE))).min())  # the mean squared fall
    for unit in (1, 1e-25, 1e25):
        assert (infidelity(linear, frames, exact_maps(frames) * unit) < 1e-8 * scale + 1e-10).all()
    assert (infidelity(linear, frames, random_maps(5)) > 1e-3 * scale).all()


def test_squares_lie_within_the_frame_and_have_all_sizes():
    squares = faithfulness._squares(torch.zeros(300, 3, 32, 32), np.random.default_rng(0))[:, 0]
    sides = squares.flatten(1).sum(dim=1).sqrt()
    assert (sides == sides.round()).all() and set(sides.int().tolist()) == set(range(4, 17))
    assert (squares.any(dim=1).sum(dim=1) == sides).all() and (squares.any(dim=2).sum(dim=1) == sides).all()


def test_sensitivity_of_maps_that_do_not_change_or_follow_the_frame():
    frames = images()
    assert (max_sensitivity(lambda x: torch.ones(len(x), SIZE, SIZE), frames) == 0).all()
    found = max_sensitivity(lambda x: x.mean(dim=1), frames, radius=0.02, samples=6)
    for row, frame in enumerate(frames):
        noise = torch.empty(6, 3, SIZE, SIZE).uniform_(-0.02, 0.02, generator=torch.Generator().manual_seed(0))
        noise = noise * (frame > 0).any(dim=0)
        moved = (frame + noise).clamp(0, 1).mean(dim=1) - frame.mean(dim=0)
        expected = moved.flatten(1).norm(dim=1).max() / frame.mean(dim=0).norm()
        assert found[row] == pytest.approx(float(expected), rel=1e-5)


def test_sensitivity_of_methods_that_need_gradients():
    frames = images(2)
    method = IntegratedGradients(lambda x: linear(x).sigmoid())
    found = max_sensitivity(lambda x: method.attribute(x).sum(dim=1), frames, samples=3)
    assert ((found > 0) & (found < 1)).all()


def test_frames_are_measured_alone_and_in_bounded_batches():
    frames, maps, seen = images(), random_maps(4), []

    def score(x):
        seen.append(len(x))
        return linear(x)

    def explain(x):
        seen.append(len(x))
        return x.sum(dim=1)

    def measure(frames, maps, batch_size):
        return [
            *deletion_insertion(score, frames, maps, batch_size=batch_size),
            infidelity(score, frames, maps, batch_size=batch_size),
            max_sensitivity(explain, frames, batch_size=batch_size),
        ]

    small = measure(frames, maps, 4)
    assert max(seen) <= 4
    whole = measure(frames, maps, 64)
    alone = np.concatenate([measure(frames[i : i + 1], maps[i : i + 1], 64) for i in range(3)], axis=1)
    assert np.allclose(small, whole, rtol=1e-4) and np.allclose(whole, alone, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_maps_that_are_not_finite_are_unknown_and_spoil_no_other(bad):
    frames, maps = images(), random_maps(6)
    maps[1, 0, 0] = bad
    for values in (*deletion_insertion(linear, frames, maps), infidelity(linear, frames, maps)):
        assert np.isnan(values).tolist() == [False, True, False]
    assert np.isnan(max_sensitivity(lambda x: maps[1:2].expand(len(x), -1, -1), frames)).all()


def test_a_map_of_zeros_has_no_sensitivity():
    assert np.isnan(max_sensitivity(lambda x: torch.zeros(len(x), SIZE, SIZE), images())).all()


def test_probability_is_that_of_the_finding():
    class Learner(torch.nn.Module):
        findings = ["polyp", "bleeding"]

        def forward(self, x):
            return torch.stack([linear(x), 3 * linear(x)], dim=1)

    frames = images()
    assert torch.allclose(probability_of(Learner(), "bleeding")(frames), (3 * linear(frames)).sigmoid())
