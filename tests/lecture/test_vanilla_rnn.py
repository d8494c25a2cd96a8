import pytest

from capsight.errors import UserError
from capsight.lecture.vanilla_rnn import vanilla_rnn, worked_example


def test_the_lectures_worked_example():
    assert worked_example() == {"h1": [0.54, 0.20, 0.72], "y1": [0.32, 0.21, 0.24, 0.22]}


def test_the_lstm_looks_further_back(tmp_path, trainer):
    settings = {"length": 16, "hidden": 16, "sequences": 1000, "batch_size": 20, "lr": 0.02}
    numbers = vanilla_rnn(tmp_path, seed=0, trainer=trainer | {"max_epochs": 4}, **settings)
    assert numbers["example"] == worked_example()
    gradients = numbers["gradient_by_distance"]
    assert gradients["LSTM"]["before"]["15"] > 2 * gradients["vanilla RNN"]["before"]["15"] > 0
    assert numbers["test"]["LSTM"]["accuracy"]["low"] > 0.3  # a guess is right in a quarter
    assert list(numbers["accuracy_by_distance"]["LSTM"]) == list(numbers["accuracy_by_distance"]["vanilla RNN"])
    assert (tmp_path / "vanilla_rnn.png").stat().st_size > 5000


@pytest.mark.parametrize("settings", [{"length": 0}, {"length": 1}, {"symbols": 0}, {"symbols": 1}])
def test_nothing_to_remember_is_refused(tmp_path, trainer, settings):
    with pytest.raises(UserError, match="nothing to remember") as refused:
        vanilla_rnn(tmp_path, seed=0, trainer=trainer, **settings)
    assert "\n" not in str(refused.value)


def test_ten_thousand_steps(tmp_path, trainer):
    settings = {"length": 10_000, "hidden": 2, "sequences": 6, "batch_size": 6}
    numbers = vanilla_rnn(tmp_path, seed=0, trainer=trainer, **settings)
    assert numbers["gradient_by_distance"]["vanilla RNN"]["before"]["9999"] < 1e-9
    assert (tmp_path / "vanilla_rnn.png").exists()
