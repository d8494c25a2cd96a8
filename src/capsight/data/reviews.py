"""The Large Movie Review set (Maas et al. 2011, ACL), read straight from its own archive, and its split."""

import re
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from capsight.errors import UserError
from capsight.progress import track

MEMBER = re.compile(r"aclImdb/(?P<split>train|test)/(?P<label>pos|neg)/(?P<number>\d+)_(?P<rating>\d+)\.txt")
MOVIES = re.compile(r"aclImdb/(?P<split>train|test)/urls_(?P<label>pos|neg)\.txt")
MAX_BYTES = 10_000_000  # of one file: the longest review has 14 kB, the longest list of movies 0.7 MB


def read_reviews(archive: str | Path) -> pd.DataFrame:
    """Return one row per review: text, label (1 positive), rating, split ("train", "test"), movie (<NA> if unknown).

    `archive` is aclImdb_v1.tar.gz as published. Nothing is unpacked to disk, and unknown names are passed over, so no
    path in the archive can leave a folder. Raises UserError where the archive is missing, truncated, damaged or is
    none, where a review is a link, empty or not UTF-8, and where there is no review in it.
    """
    reviews, movies = [], {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in track(tar, "Reading reviews"):
                if found := MEMBER.fullmatch(member.name):
                    reviews.append(found.groupdict() | {"text": _read(tar, member)})
                elif found := MOVIES.fullmatch(member.name):
                    movies[found["split"], found["label"]] = _read(tar, member).split()
            _check_end(tar)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
        raise UserError(f"cannot read {archive} ({reason}): give a whole aclImdb_v1.tar.gz.") from None
    if not reviews:
        raise UserError(f"{archive} holds no review: expected names like aclImdb/train/pos/0_9.txt.")
    table = pd.DataFrame(reviews)
    table["movie"] = pd.array([_movie(row, movies) for row in reviews], dtype="string")
    table["label"] = (table["label"] == "pos").astype(int)
    table = table.astype({"number": int, "rating": int}).sort_values(["split", "label", "number"], ignore_index=True)
    return table[["text", "label", "rating", "split", "movie"]]


def split_reviews(reviews: pd.DataFrame, *, held_out: float, validation: float, seed: int) -> pd.Series:
    """Return "train", "val", "held_out" or "test" for every review; whole movies are held out, as by the publisher.

    `held_out` and `validation` are shares of the reviews that were published for training. The same text is on one
    side only: a training review whose text is among the test reviews is <NA>, and copies go with the first of them.
    """
    published = reviews["split"] == "train"
    groups = pd.Series(pd.factorize(review_groups(reviews))[0], index=reviews.index)
    if not (held_out > 0 and validation > 0 and held_out + validation < 1):
        raise UserError(f"held_out={held_out} and validation={validation}: both above 0, together below 1.")
    sizes = groups[published].value_counts(sort=False)
    order = np.random.default_rng(seed).permutation(len(sizes))
    share = sizes.iloc[order].cumsum() / sizes.sum()
    side = pd.cut(share, [0, held_out, held_out + validation, 1], labels=["held_out", "val", "train"])
    sides = groups.map(side).astype("string")
    sides[reviews["text"].isin(reviews.loc[~published, "text"])] = pd.NA
    sides[~published] = "test"
    return sides


def review_groups(reviews: pd.DataFrame) -> pd.Series:
    """Name for every review what it shares with others: its movie, or else its text; that of the first copy."""
    return reviews["movie"].fillna(reviews["text"]).groupby(reviews["text"]).transform("first")


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    if not member.isfile() or member.size > MAX_BYTES:
        raise UserError(f"{tar.name}: {member.name} is no file of less than 10 MB; give a whole aclImdb_v1.tar.gz.")
    try:
        text = tar.extractfile(member).read().decode()
    except UnicodeDecodeError:
        raise UserError(f"{tar.name}: {member.name} is not UTF-8; save it as UTF-8, or leave it out.") from None
    if not text.strip():
        raise UserError(f"{tar.name}: {member.name} is empty; leave it out.")
    return text


def _check_end(tar: tarfile.TarFile) -> None:
    """Read on to the end, where gzip checks its sum; only zeros stand there, but tarfile stops at damage too."""
    rest = [part.strip(b"\0") for part in iter(lambda: tar.fileobj.read(1 << 20), b"")]
    if not rest or any(rest):
        raise tarfile.ReadError("it breaks off, or is damaged")


def _movie(review: dict, movies: dict) -> str | None:
    """The review with the number n has its movie's address in line n, from 0, of its list."""
    addresses, number = movies.get((review["split"], review["label"]), []), int(review["number"])
    found = re.search(r"tt\d+", addresses[number]) if number < len(addresses) else None
    return found[0] if found else None
