"""The control says for each view whether the device can be told from it."""

import numpy as np
import pandas as pd
import pytest

from capsight.evaluation.shift.control import measure_control


def test_tells_the_device_where_it_shows():
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(18), 3)
    frames = pd.DataFrame({"patient": [f"p{p}" for p in patient], "device": [f"D{p % 3}" for p in patient]})
    noise = rng.normal(size=(len(frames), 4))
    views = {"centre": noise, "border": noise + 5 * (patient % 3)[:, None]}
    told = measure_control(frames, views, resamples=100)
    assert told["chance"] == pytest.approx(1 / 3)
    assert (told["n_frames"], told["n_patients"], told["devices"]) == (54, 18, ["D0", "D1", "D2"])
    centre, border = (told["views"][name]["balanced_accuracy"] for name in ("centre", "border"))
    assert centre["low"] < 0.4 and centre["high"] < 0.75
    assert border["low"] > 0.9
