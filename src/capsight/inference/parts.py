"""A reading on its way: parts of PART frames each, written whole or not at all, so that a killed one can go on."""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from capsight.errors import UserError
from capsight.files import atomic, write_json
from capsight.inference.reading import Read

PARTS = "parts"  # the folder of a reading
PART = 1024  # frames
HELD = 8  # parts whose embeddings are in memory at a time
STARTED = "started.json"


class Parts:
    """The parts of a reading in the folder `parts`; each is a table of frames with their embeddings as float16."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def begin(self, facts: dict) -> None:
        """Note what is read, and with what; UserError where the folder holds a reading of something else."""
        started = self.folder / STARTED
        if not started.exists():
            write_json(facts, started)
            return
        try:
            before = json.loads(started.read_text(encoding="utf-8"))
        except ValueError:
            raise UserError(f"{started} is damaged; delete {self.folder}, or choose another out.") from None
        if changed := sorted(name for name in facts.keys() | before.keys() if facts.get(name) != before.get(name)):
            raise UserError(
                f"{self.folder.parent} holds a reading with another {', '.join(changed)}; choose another out, or "
                f"delete {self.folder}."
            )

    @property
    def files(self) -> list[Path]:
        """The parts that are there, from the first one on without a gap."""
        files = []
        while (file := self._file(len(files))).exists():
            files.append(file)
        return files

    @property
    def n_frames(self) -> int:
        return sum(pq.read_metadata(file).num_rows for file in self.files)

    def write(self, pieces: Iterable[Read]) -> Iterator[int]:
        """Keep frames as they are read, from the first that is missing on; yields how many came."""
        number, waiting = len(self.files), []
        for piece in pieces:
            waiting.append(piece)
            if sum(len(one.frames) for one in waiting) >= PART:
                self._write(number, waiting)
                number, waiting = number + 1, []
            yield len(piece.frames)
        if waiting:
            self._write(number, waiting)

    def table(self) -> pd.DataFrame:
        """All frames without their embeddings: some 150 bytes a frame."""
        names = [name for name in pq.read_schema(self.files[0]).names if name != "embedding"]
        return pa.concat_tables([pq.read_table(file, columns=names) for file in self.files]).to_pandas()

    def embeddings(self) -> "Embeddings":
        return Embeddings(self.files)

    def _file(self, number: int) -> Path:
        return self.folder / f"part_{number:06d}.parquet"

    def _write(self, number: int, pieces: list[Read]) -> None:
        table = pa.Table.from_pandas(pd.concat([piece.frames for piece in pieces]), preserve_index=False)
        embeddings = np.concatenate([piece.embeddings for piece in pieces]).astype(np.float16)
        values = pa.FixedSizeListArray.from_arrays(pa.array(embeddings.ravel()), embeddings.shape[1])
        with atomic(self._file(number)) as temporary:
            pq.write_table(table.append_column("embedding", values), temporary)


class Embeddings:
    """The embeddings (n, D) of all frames, read from the parts as they are asked for: `embeddings[numbers]`."""

    def __init__(self, files: list[Path]):
        self._files, self._part = files, lru_cache(HELD)(self._read)
        first = self._part(0)
        n = (len(files) - 1) * PART + pq.read_metadata(files[-1]).num_rows
        self.shape = (n, first.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """Return (k, D) float32."""
        rows = np.arange(len(self))[rows]
        values = np.empty((len(rows), self.shape[1]), np.float32)
        for part in np.unique(rows // PART):
            of = rows // PART == part
            values[of] = self._part(int(part))[rows[of] % PART]
        return values

    def _read(self, number: int) -> np.ndarray:
        column = pq.read_table(self._files[number], columns=["embedding"])["embedding"].combine_chunks()
        return column.values.to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
