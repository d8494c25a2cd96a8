import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score

from capsight.evaluation.top_k import top_k_error


@pytest.mark.parametrize("k", [1, 2, 5])
def test_equals_scikit_learn(k):
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(200, 9)), rng.integers(9, size=200)
    expected = 1 - top_k_accuracy_score(labels, scores, k=k, labels=np.arange(9))
    assert top_k_error(scores, labels, k=k) == pytest.approx(expected)


def test_by_hand():
    scores = np.array([[6, 5, 4, 3, 2, 1.0]] * 3)
    assert top_k_error(scores, [0, 4, 5]) == pytest.approx(1 / 3)
    assert top_k_error(scores, [0, 4, 5], k=1) == pytest.approx(2 / 3)


def test_the_same_answer_to_all_is_not_right():
    assert top_k_error(np.zeros((4, 6)), [0, 1, 2, 3]) == 1
    assert top_k_error(np.full((4, 6), np.nan), [0, 1, 2, 3]) == 1


@pytest.mark.parametrize(("classes", "n", "text"), [(5, 3, "k = 5"), (6, 0, "no examples")])
def test_nothing_to_say_is_refused(classes, n, text):
    with pytest.raises(ValueError, match=text):
        top_k_error(np.zeros((n, classes)), np.zeros(n, int))
