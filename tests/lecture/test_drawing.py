from PIL import Image

from capsight.lecture.drawing import panels, save


def test_logarithmic_axes_are_labelled_in_plain_numbers(tmp_path):
    figure, (axes,) = panels()
    axes.loglog([1e-4, 1, 100], [1, 10, 1000])
    save(figure, tmp_path / "picture.png")
    labels = {label.get_text() for axis in (axes.xaxis, axes.yaxis) for label in axis.get_ticklabels()}
    assert {"0.0001", "0.01", "1", "10", "100", "1000"} <= labels
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.width > 500
