"""What the cache gives is what decoding gives, whatever was killed, damaged, changed or full."""

import errno
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from capsight.data import cache as caching
from capsight.data import dataset as reading
from capsight.data.cache import open_cache
from capsight.data.dataset import FrameDataset
from capsight.data.transforms import evaluation_transform, training_transform
from capsight.errors import UserError

N, SIDE = 6, 32


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "root").mkdir()
    for i in range(N):
        frame = cv2.resize(rng.integers(60, 220, (4, 4, 3), dtype=np.uint8), (100, 90 + i))
        cv2.imwrite(str(tmp_path / "root" / f"{i}.jpg"), frame)
    return pd.DataFrame({"path": pd.array([f"{i}.jpg" for i in range(N)], dtype="string")})


@pytest.fixture
def make(table, tmp_path):
    """Make the data set of some rows, with the cache in `folder` or without."""

    def dataset(transform, folder="cache", rows=slice(None)):
        cache = open_cache(tmp_path / folder, table["path"], tmp_path / "root", SIDE) if folder else None
        return FrameDataset(table.iloc[rows], tmp_path / "root", [], transform, cache=cache)

    return dataset


def images(dataset):
    return torch.stack([dataset[(row, 7)]["image"] for row in range(len(dataset))])


@pytest.fixture
def decoded(monkeypatch):
    """Count what is decoded."""
    files = []
    monkeypatch.setattr(reading, "read_frame", lambda file, **how: files.append(file) or read_frame(file, **how))
    return files


read_frame = reading.read_frame


@pytest.mark.parametrize("transform", [evaluation_transform(SIDE), training_transform(SIDE, strength=1.0)])
def test_same_items_and_each_frame_decoded_once(make, decoded, transform):
    expected = images(make(transform, folder=None))
    decoded.clear()
    assert torch.equal(images(make(transform)), expected)
    assert len(decoded) == N
    assert torch.equal(images(make(transform)), expected)  # as another training
    assert torch.equal(images(make(transform, rows=[4, 1])), expected[[4, 1]])  # as another split
    assert torch.equal(images(pickle.loads(pickle.dumps(make(transform)))), expected)  # as a worker
    assert len(decoded) == N


def test_a_changed_file_and_a_damaged_row_are_decoded_again(make, decoded, tmp_path):
    transform = evaluation_transform(SIDE)
    expected = images(make(transform))
    cv2.imwrite(str(tmp_path / "root" / "2.jpg"), np.full((100, 100, 3), 90, np.uint8))
    with open(tmp_path / "cache" / "frames.bin", "r+b") as file:
        file.seek(4 * SIDE * SIDE * 3 + 1000)
        file.write(b"\1\2\3")
    decoded.clear()
    again = images(make(transform))
    assert [os.path.basename(file) for file in decoded] == ["2.jpg", "4.jpg"]
    assert torch.equal(again[[0, 1, 3, 4, 5]], expected[[0, 1, 3, 4, 5]])
    assert not torch.equal(again[2], expected[2])
    decoded.clear()
    images(make(transform))
    assert not decoded


def test_written_by_many_at_once(make, decoded):
    transform = evaluation_transform(SIDE)
    expected = images(make(transform, folder=None))
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: images(make(evaluation_transform(SIDE))), range(8)):
            assert torch.equal(found, expected)


def test_a_frame_that_cannot_be_read_is_not_kept(make, tmp_path):
    (tmp_path / "root" / "3.jpg").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(UserError, match=r"3\.jpg"):
            images(make(evaluation_transform(SIDE)))


def test_another_manifest_root_or_size_is_refused_and_nothing_is_lost(make, table, tmp_path):
    images(make(evaluation_transform(SIDE)))
    before = (tmp_path / "cache" / "frames.bin").read_bytes()
    for paths, root, side in (
        (table["path"][1:], tmp_path / "root", SIDE),
        (table["path"], tmp_path, SIDE),
        (table["path"], tmp_path / "root", 48),
    ):
        with pytest.raises(UserError, match="holds the frames of another manifest, root or image size"):
            open_cache(tmp_path / "cache", paths, root, side)
    assert (tmp_path / "cache" / "frames.bin").read_bytes() == before


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_no_space_for_it_is_one_line(make, monkeypatch, capsys, tmp_path):
    expected = images(make(evaluation_transform(SIDE), folder=None))
    monkeypatch.setattr(caching.os, "posix_fallocate", full)
    assert torch.equal(images(make(evaluation_transform(SIDE))), expected)
    assert capsys.readouterr().err.count("\n") == 1
    assert not list((tmp_path / "cache").glob("*.bin"))


def test_no_space_for_its_last_file_is_one_line_too(make, monkeypatch, capsys, tmp_path):
    expected = images(make(evaluation_transform(SIDE), folder=None))

    def refuse(content, file):
        try:
            full()
        except OSError as error:
            raise UserError(f"cannot write {file}") from error

    monkeypatch.setattr(caching, "write_json", refuse)
    assert torch.equal(images(make(evaluation_transform(SIDE))), expected)
    assert "No space left on device" in (told := capsys.readouterr().err) and told.count("\n") == 1
    assert not list((tmp_path / "cache").glob("*.bin"))


def test_a_cache_that_is_there_needs_no_lock(make, decoded, tmp_path):
    images(make(evaluation_transform(SIDE)))
    (tmp_path / "cache" / ".lock").unlink()
    (tmp_path / "cache" / ".lock").mkdir()  # as root may write into any file
    decoded.clear()
    images(make(evaluation_transform(SIDE)))
    assert not decoded


def test_a_disk_that_gets_full_is_one_line(make, monkeypatch, capsys):
    expected = images(make(evaluation_transform(SIDE), folder=None))
    monkeypatch.setattr(caching.os, "pwrite", full)
    assert torch.equal(images(make(evaluation_transform(SIDE))), expected)
    told = capsys.readouterr().err
    assert "cannot be written (No space left on device); going on without it." in told
    assert told.count("\n") == 1


def test_a_folder_that_cannot_be_made_is_one_line(make, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        make(evaluation_transform(SIDE), folder="file/cache")
