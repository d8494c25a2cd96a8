"""Archives are made here: a few reviews in the layout of aclImdb_v1.tar.gz, whole and broken."""

import gzip
import io
import tarfile

import numpy as np
import pandas as pd
import pytest

from capsight.data.reviews import MAX_BYTES, read_reviews, review_groups, split_reviews
from capsight.errors import UserError

MOVIES = ("http://www.imdb.com/title/tt0000001/usercomments", "http://www.imdb.com/title/tt0000002/usercomments")
FILES = {
    "aclImdb/README": b"Large Movie Review Dataset",
    "aclImdb/imdb.vocab": b"the\nand\n",
    "aclImdb/train/urls_pos.txt": "\n".join(MOVIES).encode(),
    "aclImdb/train/unsup/0_0.txt": b"nobody knows",
    "aclImdb/train/pos/1_10.txt": "Très bon, a joy.".encode(),
    "aclImdb/train/pos/0_9.txt": b"Good.<br /><br />Really good.",
    "aclImdb/train/neg/0_2.txt": b"Not good.",
    "aclImdb/test/pos/0_8.txt": b"Fine.",
}


def tar(files=FILES, members=()) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in members:
            archive.addfile(member)
    return made.getvalue()


def link(name, target, kind=tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.fixture
def read(tmp_path):
    """Read an archive of these bytes, and see to it that nothing but the archive is on disk afterwards."""
    file = tmp_path / "inner" / "aclImdb_v1.tar.gz"
    file.parent.mkdir()

    def attempt(content: bytes) -> pd.DataFrame:
        file.write_bytes(content)
        try:
            return read_reviews(file)
        finally:
            assert list(tmp_path.rglob("*")) == [file.parent, file]

    return attempt


def refusal(read, content: bytes) -> str:
    with pytest.raises(UserError) as error:
        read(content)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_one_row_per_review_and_nothing_else(read):
    table = read(gzip.compress(tar()))
    rows = [tuple(row) for row in table[["text", "label", "rating", "split"]].itertuples(index=False)]
    assert rows == [
        ("Fine.", 1, 8, "test"),
        ("Not good.", 0, 2, "train"),
        ("Good.<br /><br />Really good.", 1, 9, "train"),
        ("Très bon, a joy.", 1, 10, "train"),
    ]
    assert table["movie"].isna().tolist() == [True, True, False, False]
    assert table["movie"].tolist()[2:] == ["tt0000001", "tt0000002"]  # line n is of review n, whatever the order


def test_a_file_cut_anywhere_is_refused(read):
    whole = gzip.compress(tar())
    for end in (0, 1, 9, 11, 60, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        assert "give a whole aclImdb_v1.tar.gz" in refusal(read, whole[:end])


def test_a_tar_cut_anywhere_is_refused(read):
    whole = tar()
    for end in (0, 100, 512, 700, 1024, 4096, len(whole) - 10240):
        assert "give a whole aclImdb_v1.tar.gz" in refusal(read, gzip.compress(whole[:end]))


def test_damage_is_refused(read):
    stored = gzip.compress(tar(), compresslevel=0)  # the tar lies open, with its sum behind it
    for text in (b"aclImdb/README", b"aclImdb/test/pos/0_8.txt", b"Good.<br />", b"Not good."):
        damaged = bytearray(stored)
        damaged[stored.index(text)] ^= 1
        assert "give a whole aclImdb_v1.tar.gz" in refusal(read, bytes(damaged))


def test_a_damaged_header_is_not_the_end(read):
    damaged = bytearray(tar())
    damaged[damaged.index(b"aclImdb/train/neg/0_2.txt")] ^= 1
    assert "damaged" in refusal(read, gzip.compress(bytes(damaged)))


@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04" + bytes(60), b"<html>404</html>", tar(), gzip.compress(b"a text" * 200), gzip.compress(b"")],
    ids=["zip", "page", "tar", "gzip of a text", "gzip of nothing"],
)
def test_what_is_no_such_archive_is_refused(read, content):
    assert "give a whole aclImdb_v1.tar.gz" in refusal(read, content)


def test_an_archive_without_reviews_says_what_is_expected(read):
    other = {"data/reviews.csv": b"text,label", "aclImdb/train/pos/readme.txt": b"x"}
    assert "aclImdb/train/pos/0_9.txt" in refusal(read, gzip.compress(tar(other)))


def test_a_missing_file_and_a_folder_are_one_line(tmp_path):
    for path, says in ((tmp_path / "none.tar.gz", "No such file"), (tmp_path, "directory")):
        with pytest.raises(UserError, match=says):
            read_reviews(path)


def test_names_that_leave_the_folder_are_passed_over(read):
    bad = (
        "../0_9.txt",
        "/tmp/0_9.txt",
        "aclImdb/train/pos/../../../../0_9.txt",
        "aclImdb/../aclImdb/train/pos/5_9.txt",
    )
    table = read(gzip.compress(tar(FILES | dict.fromkeys(bad, b"leaves"))))
    assert len(table) == 4 and "leaves" not in set(table["text"])


def test_links_are_not_followed(read, tmp_path):
    away = [link("aclImdb/train/away", "/etc"), link("aclImdb/passwd", "../../passwd", tarfile.LNKTYPE)]
    assert len(read(gzip.compress(tar(members=away)))) == 4
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE):
        member = link("aclImdb/train/pos/7_9.txt", "aclImdb/train/pos/0_9.txt", kind)
        assert "7_9.txt is no file" in refusal(read, gzip.compress(tar(members=[member])))


def test_a_file_that_is_far_too_large_is_not_read(read):
    member = tarfile.TarInfo("aclImdb/train/pos/7_9.txt")
    member.size = MAX_BYTES + 1  # as its header says; nothing of it is there
    assert "less than 10 MB" in refusal(read, gzip.compress(member.tobuf() + bytes(1024)))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        ("trés bon".encode("latin-1"), "is not UTF-8"),
        (b"\xff\xfe", "is not UTF-8"),
    ],
)
def test_a_bad_review_is_named(read, content, says):
    message = refusal(read, gzip.compress(tar(FILES | {"aclImdb/test/neg/3_1.txt": content})))
    assert "aclImdb/test/neg/3_1.txt" in message and says in message


def test_a_list_of_movies_may_be_missing_or_short(read):
    short = {name: content for name, content in FILES.items() if "urls" not in name}
    short["aclImdb/train/urls_pos.txt"] = MOVIES[0].encode()
    assert read(gzip.compress(tar(short)))["movie"].tolist()[2:] == ["tt0000001", pd.NA]


def table(movies, texts=None, tested=0):
    """Reviews of these movies; the last `tested` were published for testing."""
    number = len(movies)
    return pd.DataFrame(
        {
            "text": texts or [f"text {row}" for row in range(number)],
            "split": ["train"] * (number - tested) + ["test"] * tested,
            "movie": pd.array(movies, "string"),
        }
    )


def test_whole_movies_are_held_out_in_the_shares_asked_for():
    reviews = table([f"tt{row // 4}" for row in range(400)] + [None] * 20, tested=20)
    sides = split_reviews(reviews, held_out=0.2, validation=0.1, seed=0)
    assert sides.groupby(reviews["movie"]).nunique().max() == 1
    assert sides.value_counts().to_dict() == {"train": 280, "held_out": 80, "val": 40, "test": 20}
    assert (sides[-20:] == "test").all()
    other = split_reviews(reviews, held_out=0.2, validation=0.1, seed=1)
    assert not other.equals(sides)
    assert split_reviews(reviews, held_out=0.2, validation=0.1, seed=0).equals(sides)


def test_a_text_is_on_one_side_only():
    movies = [f"tt{row}" for row in range(100)] + [None] * 4
    texts = [f"text {row % 50}" for row in range(100)] + ["text 3", "new", "newer", "newest"]
    reviews = table(movies, texts, tested=4)
    for seed in range(5):
        sides = split_reviews(reviews, held_out=0.3, validation=0.2, seed=seed)
        assert sides.groupby(reviews["text"]).nunique().max() == 1
        assert sides[[3, 53]].isna().all() and sides.notna().sum() == 102


def test_reviews_without_a_movie_are_grouped_by_their_text():
    reviews = table(["tt1", None, None, "tt2"], ["a", "b", "b", "a"])
    assert review_groups(reviews).tolist() == ["tt1", "b", "b", "tt1"]


@pytest.mark.parametrize("shares", [(0, 0.1), (0.1, 0), (0.5, 0.5), (1.2, 0.1), (-0.1, 0.2), (np.nan, 0.1)])
def test_shares_that_leave_nothing_are_refused(shares):
    with pytest.raises(UserError, match="held_out="):
        split_reviews(table(["tt1", "tt2"]), held_out=shares[0], validation=shares[1], seed=0)
