from math import floor

import numpy as np
import pytest

from capsight.evaluation.reading_study.found import false_evenly, false_in_order, found_evenly, found_in_order

BUDGETS = np.array([1, 2, 3, 5, 8, 13, 40, 41, 100])
SPANS = np.array([[0, 0], [3, 5], [20, 39], [39, 39], [7, 6]])  # the last one holds no frame


def slow_order(order, spans, budgets):
    """Show the frames one after the other and look for each lesion among them."""
    return [[any(low <= frame <= high for frame in order[:n]) for n in budgets] for low, high in spans]


def slow_evenly(n_frames, spans, budgets, starts):
    """List the frames that are shown, as fractions of whole numbers."""
    found = np.zeros((starts, len(spans), len(budgets)), bool)
    for j in range(starts):
        for b, budget in enumerate(budgets):
            n = min(budget, n_frames)
            shown = {floor((i * starts + j) * n_frames / (n * starts) + 1e-9) for i in range(n)}
            found[j, :, b] = [any(low <= frame <= high for frame in shown) for low, high in spans]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_an_order_finds_what_its_first_frames_show(seed):
    order = np.random.default_rng(seed).permutation(40)
    assert found_in_order(order, SPANS, BUDGETS)[0].tolist() == slow_order(order, SPANS, BUDGETS)
    clear = np.random.default_rng(seed).random(40) < 0.7
    slow = [sum(clear[frame] for frame in order[:n]) for n in BUDGETS]
    assert false_in_order(order, clear, BUDGETS).tolist() == slow


@pytest.mark.parametrize("starts", [1, 7, 20])
def test_evenly_spaced_frames_find_what_lies_under_them(starts):
    assert (found_evenly(40, SPANS, BUDGETS, starts) == slow_evenly(40, SPANS, BUDGETS, starts)).all()


def test_evenly_spaced_frames_find_a_lesion_as_often_as_it_is_long():
    found = found_evenly(1000, np.array([[500, 509]]), np.array([1, 10, 100, 1000]), starts=100)
    assert found.mean(0)[0] == pytest.approx([0.01, 0.1, 1.0, 1.0])


def test_evenly_spaced_frames_show_nothing_in_vain_as_often_as_nothing_is_there():
    clear = np.arange(40) % 4 > 0
    assert false_evenly(clear, np.array([4, 40, 400])) == pytest.approx([3, 30, 30])
    assert false_evenly(clear[:0], BUDGETS).tolist() == [0] * len(BUDGETS)


def test_without_lesions_nothing_is_found():
    none = np.zeros((0, 2), int)
    assert found_in_order(np.arange(5), none, BUDGETS).shape == (1, 0, len(BUDGETS))
    assert found_evenly(5, none, BUDGETS, 3).shape == (3, 0, len(BUDGETS))
