import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from capsight.errors import UserError
from capsight.inference import parts
from capsight.inference.parts import Parts
from capsight.inference.reading import Read


def pieces(first, last, size=16, width=8):
    for start in range(first, last, size):
        numbers = np.arange(start, min(start + size, last))
        frames = pd.DataFrame({"frame": numbers, "probability_polyp": (numbers % 7 / 7).astype(np.float32)})
        yield Read(frames, np.repeat(numbers[:, None] % 100, width, axis=1).astype(np.float32))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(parts, "PART", 64)


def test_what_is_written_is_what_was_read(tmp_path):
    kept = Parts(tmp_path / "parts")
    assert sum(kept.write(pieces(0, 200))) == 200
    assert kept.n_frames == 200
    assert [file.name for file in kept.files] == [f"part_{number:06d}.parquet" for number in range(4)]
    table = kept.table()
    assert table["frame"].tolist() == list(range(200))
    assert list(table) == ["frame", "probability_polyp"]
    assert table["probability_polyp"].dtype == np.float32
    embeddings = kept.embeddings()
    assert embeddings.shape == (200, 8)
    assert embeddings[:].tolist() == np.repeat(np.arange(200)[:, None] % 100, 8, axis=1).tolist()
    assert embeddings[np.array([199, 3, 64, 63, 3])][:, 0].tolist() == [99, 3, 64, 63, 3]
    assert embeddings[10:12].dtype == np.float32


def test_writing_goes_on_after_the_last_whole_part(tmp_path):
    kept = Parts(tmp_path / "parts")
    stream = kept.write(pieces(0, 200))
    for _ in range(6):  # 96 frames: one part, and half of another
        next(stream)
    stream.close()
    assert kept.n_frames == 64
    assert sum(kept.write(pieces(64, 200))) == 136
    assert kept.table()["frame"].tolist() == list(range(200))


def test_a_gap_ends_what_is_there(tmp_path):
    kept = Parts(tmp_path / "parts")
    list(kept.write(pieces(0, 200)))
    (tmp_path / "parts" / "part_000001.parquet").unlink()
    assert kept.n_frames == 64


def test_another_reading_is_refused_and_named(tmp_path):
    kept = Parts(tmp_path / "parts")
    facts = {"video": {"name": "a", "digest": "1"}, "run": "2", "passes": 30}
    kept.begin(facts)
    kept.begin(facts)
    with pytest.raises(UserError, match="another run, video"):
        kept.begin(facts | {"run": "3", "video": {"name": "b", "digest": "9"}})
    (tmp_path / "parts" / "started.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        kept.begin(facts)
    assert not list((tmp_path / "parts").glob("part*"))
    assert json.dumps(facts)


def test_memory_does_not_grow_while_a_long_video_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART", 1024)
    most = []
    for n in (8_000, 90_000):  # 90,000: 12 hours at two frames a second
        tracemalloc.start()
        assert sum(Parts(tmp_path / str(n)).write(pieces(0, n, size=64))) == n
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert most[1] < 1.5 * most[0] + 1e6
    assert Parts(tmp_path / "90000").n_frames == 90_000
