from capsight.lecture.mlp import mlp


def test_it_counts_and_reads(tmp_path, trainer):
    numbers = mlp(tmp_path, seed=0, trainer=trainer | {"max_epochs": 3})
    assert numbers["weights_without_biases"]["8-9-9-9-4"] == 270
    assert numbers["weights_without_biases"]["256x256x3-256-1"] > 48e6
    assert numbers["parameters_on_digits"] == 64 * 32 + 32 + 32 * 10 + 10
    accuracy = numbers["test"]["accuracy"]
    assert 0.7 < accuracy["low"] < accuracy["value"] < accuracy["high"]
    assert (tmp_path / "mlp.png").stat().st_size > 5000
