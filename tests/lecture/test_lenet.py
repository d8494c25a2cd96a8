from capsight.lecture.lenet import lenet


def test_it_reads_digits(tmp_path, trainer):
    numbers = lenet(tmp_path, seed=0, trainer=trainer | {"max_epochs": 2})
    assert numbers["parameters"] == 61_706
    assert numbers["test"]["accuracy"]["value"] > 0.6
    assert numbers["misread"] == round((1 - numbers["test"]["accuracy"]["value"]) * 360)
    assert (tmp_path / "lenet.png").exists()
