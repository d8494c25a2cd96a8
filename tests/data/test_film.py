import av
import numpy as np
import pytest

from capsight.data.film import write_film
from capsight.errors import UserError


def test_a_film_holds_its_frames(tmp_path):
    frames = [np.full((32, 48, 3), value, np.uint8) for value in (20, 120, 220)]
    assert write_film(tmp_path / "x.mp4", frames, per_second=2) == 3
    with av.open(str(tmp_path / "x.mp4")) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert float(container.streams.video[0].average_rate) == 2
    assert [frame.shape for frame in decoded] == [(32, 48, 3)] * 3
    assert np.allclose([frame.mean() for frame in decoded], [20, 120, 220], atol=4)
    for bad in ([], [np.zeros((31, 32, 3), np.uint8)]):
        with pytest.raises(UserError):
            write_film(tmp_path / "y.mp4", bad, per_second=2)
    assert not list(tmp_path.glob("*y*"))
