"""The hashes of a data set's frames: read once, kept beside an audit, and used by the next one."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from capsight.data.copies import content_hash, perceptual_hash
from capsight.data.manifest import resolve
from capsight.errors import UserError
from capsight.files import atomic
from capsight.progress import track

PERCEPTUAL = ["perceptual_0", "perceptual_1", "perceptual_2", "perceptual_3"]


class Hashes(NamedTuple):
    """What an audit needs to know of the pixels of n frames."""

    perceptual: np.ndarray  # (n, 4) uint64, all zero where a frame cannot be read
    contents: list[str]  # "" where a file cannot be read or decoded
    unreadable: list[str]  # their paths


def hash_frames(paths: pd.Series, root: str | Path) -> Hashes:
    """Read and hash every frame. UserError where none of the files is there."""

    def read(path):
        file = resolve(root, path)
        try:
            return perceptual_hash(file), content_hash(file)
        except UserError:
            return np.zeros(4, np.uint64), "" if file.is_file() else None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(track(pool.map(read, paths), "Reading frames", total=len(paths)))
    contents = [content for _, content in results]
    if contents and all(content is None for content in contents):
        raise UserError(
            f"none of the {len(paths)} frames is there, the first is {resolve(root, paths.iloc[0])}: check root."
        )
    unreadable = [path for path, content in zip(paths, contents, strict=True) if not content]
    return Hashes(np.stack([hash for hash, _ in results]), [content or "" for content in contents], unreadable)


def write_hashes(file: str | Path, paths: pd.Series, hashes: Hashes) -> None:
    """Keep the hashes of frames as Parquet, by their paths."""
    table = pd.DataFrame(dict(zip(PERCEPTUAL, hashes.perceptual.T, strict=True)))
    table = table.assign(path=paths.to_numpy(), content=hashes.contents)
    with atomic(file) as temporary:
        table.to_parquet(temporary, index=False)


def read_hashes(file: str | Path, paths: pd.Series) -> Hashes:
    """Read the hashes of these frames, kept by an earlier audit. UserError where the file lacks any of them."""
    try:
        table = pd.read_parquet(file).set_index("path")
        rows = table.index.get_indexer(paths)
        perceptual, contents = table[PERCEPTUAL].to_numpy(np.uint64), table["content"].tolist()
    except (OSError, ValueError, KeyError) as error:  # Arrow's errors are ValueErrors
        reason = str(error).splitlines()[0]
        raise UserError(f"cannot read the hashes {file}: {reason}. Audit without hashes= to make them anew.") from None
    if (missing := rows < 0).any():
        first = paths[missing].iloc[0]
        raise UserError(f"{file} lacks {missing.sum():,} of the frames, such as {first}; audit without hashes=.")
    contents = [contents[row] for row in rows]
    unreadable = [path for path, content in zip(paths, contents, strict=True) if not content]
    return Hashes(perceptual[rows], contents, unreadable)
