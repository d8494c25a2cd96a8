import numpy as np
import pytest

from capsight.errors import UserError
from capsight.explain.store import Store


def test_what_is_put_comes_back(tmp_path):
    store = Store(tmp_path / "maps", {"weights": "a"})
    map = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    assert not store.holds("cam", "polyp", "x/../<b>.jpg")
    store.put("cam", "polyp", "x/../<b>.jpg", map, {"pointing_game": 1.0, "best_iou": float("nan")})
    assert store.holds("cam", "polyp", "x/../<b>.jpg")
    assert not store.holds("gradcam", "polyp", "x/../<b>.jpg")
    kept, numbers = Store(tmp_path / "maps", {"weights": "a"}).get("cam", "polyp", "x/../<b>.jpg")
    np.testing.assert_array_equal(kept, map)
    assert numbers["pointing_game"] == 1
    assert np.isnan(numbers["best_iou"])


def test_maps_without_measures(tmp_path):
    store = Store(tmp_path / "maps", {})
    store.put("cam", "polyp", "x", np.zeros((2, 2)), {})
    assert store.get("cam", "polyp", "x")[1] == {}


def test_maps_of_another_model_are_refused(tmp_path):
    Store(tmp_path / "maps", {"weights": "a", "steps": 32})
    with pytest.raises(UserError, match="another steps, weights; give another out, or remove it"):
        Store(tmp_path / "maps", {"weights": "b", "steps": 16})


def test_damage_is_named(tmp_path):
    store = Store(tmp_path / "maps", {})
    store.put("cam", "polyp", "x", np.zeros((2, 2)), {})
    (file,) = tmp_path.glob("maps/*.npz")
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(UserError, match=r"\.npz is damaged.*remove it and start again"):
        store.get("cam", "polyp", "x")
