import hashlib
import re

import numpy as np
import pandas as pd
import pytest

from capsight.data.manifest import (
    LEAVES_ROOT,
    finding_columns,
    fingerprint,
    read_manifest,
    resolve,
    resolve_all,
    write_manifest,
)
from capsight.errors import UserError

HEADER = "path,patient,video,frame,device,split,x1,polyp,bleeding\n"


def write(folder, text, name="frames.csv"):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_reads_text_as_text_and_empty_as_unknown(tmp_path):
    table = read_manifest(write(tmp_path, HEADER + "a b\\ü.jpg,007,v1,12,NA,train,1.5,1,\nc.jpg,,v2,,x,,,0,1\n"))
    assert table["path"].tolist() == ["a b/ü.jpg", "c.jpg"]
    assert table.loc[0, "patient"] == "007"
    assert table.loc[0, "device"] == "NA"
    assert table["patient"].isna().tolist() == [False, True]
    assert table["polyp"].dtype == "Int8"
    assert table["bleeding"].isna().tolist() == [True, False]
    assert finding_columns(table) == ["polyp", "bleeding"]


def test_csv_and_parquet_hold_the_same(tmp_path):
    table = read_manifest(write(tmp_path, HEADER + "a.jpg,p,v,1,d,test,2,1,\nb.jpg,,v,2,d,train,,0,0\n"))
    write_manifest(table, tmp_path / "frames.parquet")
    again = read_manifest(tmp_path / "frames.parquet")
    pd.testing.assert_frame_equal(table, again)
    assert fingerprint(table) == fingerprint(again)


def some_paths(count=4000):
    rng, parts = np.random.default_rng(0), np.array(["a", "b", ".", "/", "\\", "..", "é", "C:", " "])
    return sorted({"".join(rng.choice(parts, rng.integers(1, 7))) for _ in range(count)})


@pytest.mark.parametrize("root", ["x", "/a/b", "/", "./q", "."])
def test_all_paths_at_once_are_resolved_as_each(root):
    paths = [path for path in some_paths() if not re.search(LEAVES_ROOT, path)]
    assert resolve_all(root, pd.Series(paths, index=paths)).tolist() == [str(resolve(root, path)) for path in paths]


def test_all_paths_at_once_do_not_leave_the_root():
    with pytest.raises(UserError, match="'a/../../b' leaves the root folder"):
        resolve_all("x", pd.Series(["a/b", "a/../../b"]))


def test_paths_are_written_in_one_way(tmp_path):
    paths = [path for path in some_paths(400) if path.strip() and not re.search(LEAVES_ROOT, path)]
    plain = [re.sub(r"(?:[/\\]+(?:\.(?=[/\\]))?)+", "/", path).removeprefix("./") for path in paths]
    table = pd.DataFrame({"path": paths, "patient": "p", "video": "v", "frame": 1, "device": "d"})[
        ~pd.Series(plain).duplicated()
    ]
    table.to_parquet(tmp_path / "frames.parquet")
    assert read_manifest(tmp_path / "frames.parquet")["path"].tolist() == list(dict.fromkeys(plain))


def test_the_fingerprint_is_that_of_every_cell_as_text(tmp_path):
    rows = "a.jpg,p,v,1,d,test,2,1,\nb.jpg,,v,2,d,train,,0,0\nc.jpg,p,v,3,d,,2.5,,0\n"
    table = read_manifest(write(tmp_path, HEADER + rows))
    digest = hashlib.sha256("\0".join(sorted(table)).encode())
    for column in sorted(table):
        digest.update(pd.util.hash_pandas_object(table[column].astype("string"), index=False).to_numpy().tobytes())
    assert fingerprint(table) == digest.hexdigest()


def test_fingerprint_changes_with_one_cell(tmp_path):
    table = read_manifest(write(tmp_path, HEADER + "a.jpg,p,v,1,d,test,2,1,\n"))
    other = table.assign(bleeding=pd.array([0], dtype="Int8"))
    assert fingerprint(table) != fingerprint(other)


def test_every_problem_is_listed_with_line_column_and_value(tmp_path):
    rows = [
        "../a.jpg,p,v,1.5,d,testing,abc,2,",
        "C:\\b.jpg,p,v,1,d,test,,,",
        ",p,v,1,d,test,,0,",
        "c.jpg,,,,,,,,",
    ]
    with pytest.raises(UserError) as caught:
        read_manifest(write(tmp_path, HEADER + "\n".join([*rows, "c.jpg,,,,,,,,"])))
    text = str(caught.value)
    assert "frames.csv" in text
    for expected in (
        "line 2, column 'path': '../a.jpg' leaves the root folder",
        "line 2, column 'frame': '1.5' is not a whole number",
        "line 2, column 'split': 'testing' is not train, val, test, adapt or empty",
        "line 2, column 'x1': 'abc' is not a number",
        "line 2, column 'polyp': '2' is not 1, 0 or empty",
        "line 3, column 'path': 'C:\\\\b.jpg' leaves the root folder",
        "line 4, column 'path': is empty",
        "line 6, column 'path': 'c.jpg' stands in an earlier line too",
    ):
        assert expected in text


def test_the_first_twenty_problems_then_a_count(tmp_path):
    rows = "".join(f"{i}.jpg,p,v,1,d,,,7,\n" for i in range(50)) + "50.jpg,p,v,1,d,,,1,\n"
    with pytest.raises(UserError) as caught:
        read_manifest(write(tmp_path, HEADER + rows))
    assert str(caught.value).count("line ") == 20
    assert "and 30 more" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "No columns"),
        (HEADER, "has no frames"),
        ("path,patient\na.jpg,p\n", "column 'device' is missing"),
        ("path,patient,video,frame,device,polyp,polyp\na.jpg,p,v,1,d,1,1\n", "'polyp' stands there twice"),
        ("path,patient,video,frame,device,notes\na.jpg,p,v,1,d,looks odd\n", "'notes' is not known"),
        (
            "path,patient,video,frame,device\na.jpg,p,v,1,d,1,2,3,4\nb.jpg\n",
            "Expected 5 fields in line 2, saw 9",
        ),
    ],
)
def test_a_broken_file_is_one_error(tmp_path, text, says):
    with pytest.raises(UserError, match=says):
        read_manifest(write(tmp_path, text))


def test_missing_truncated_and_foreign_files(tmp_path):
    with pytest.raises(UserError, match="there is no manifest"):
        read_manifest(tmp_path / "nowhere.csv")
    with pytest.raises(UserError, match="ends in .csv or .parquet"):
        read_manifest(write(tmp_path, "x", "frames.xls"))
    with pytest.raises(UserError, match="cannot read"):
        read_manifest(write(tmp_path, "PAR1 not really", "frames.parquet"))
    file = tmp_path / "latin.csv"
    file.write_bytes(HEADER.encode() + "\xe9.jpg,p,v,1,d,,,1,\n".encode("latin-1"))
    with pytest.raises(UserError, match="UTF-8"):
        read_manifest(file)


def test_a_capsule_without_a_camera_is_refused(tmp_path):
    with pytest.raises(UserError, match="no camera"):
        read_manifest(write(tmp_path, HEADER + "a.jpg,p,v,1,PillCam Patency,,,1,\n"))


@pytest.mark.parametrize(
    "path", ["../x.jpg", "a/../../x", "/etc/passwd", "\\\\server\\x", "C:\\x", "..", "a\\..\\..\\x"]
)
def test_no_path_leaves_the_root(tmp_path, path):
    with pytest.raises(UserError, match="leaves the root"):
        resolve(tmp_path, path)


def test_resolve_reads_both_slashes(tmp_path):
    assert resolve(tmp_path, "a b\\c..d\\ü.jpg") == tmp_path / "a b" / "c..d" / "ü.jpg"


def test_a_failed_write_leaves_nothing(tmp_path):
    table = pd.DataFrame({"path": ["a"], "bad": [object()]})
    with pytest.raises(Exception):  # noqa: B017  Arrow's own error; what counts is what is left on the disk
        write_manifest(table, tmp_path / "frames.parquet")
    assert list(tmp_path.iterdir()) == []


def test_boxes_keep_fractions(tmp_path):
    table = read_manifest(write(tmp_path, HEADER + "a.jpg,p,v,1,d,,10.25,1,\n"))
    assert np.isclose(table.loc[0, "x1"], 10.25)
