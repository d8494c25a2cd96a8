"""Maps on disk: what has been explained is not explained again."""

import hashlib
import json
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from capsight.errors import UserError
from capsight.files import atomic, write_json


class Store:
    """One file per method, finding and frame, below one folder; each is whole or not there.

    identity: what the maps depend on, as plain JSON. Raises UserError where the folder holds maps of something else.
    """

    def __init__(self, folder: Path, identity: dict):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "made_with.json"
        if not file.exists():
            write_json(identity, file)
        try:
            before = json.loads(file.read_text())
        except (OSError, ValueError):
            before = {}
        changed = sorted(key for key in before.keys() | identity.keys() if before.get(key) != identity.get(key))
        if changed:
            raise UserError(
                f"{self.folder.parent} holds maps that were made with another {', '.join(changed)}; give another out, "
                "or remove it."
            )

    def holds(self, method: str, finding: str, path: str) -> bool:
        return self._file(method, finding, path).exists()

    def put(self, method: str, finding: str, path: str, map: np.ndarray, numbers: dict[str, float]) -> None:
        """Keep a map (S, S) and what was measured of it."""
        with atomic(self._file(method, finding, path)) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, map=map.astype(np.float32), names=list(numbers), numbers=list(numbers.values()))

    def get(self, method: str, finding: str, path: str) -> tuple[np.ndarray, dict[str, float]]:
        """Return a map (S, S) float32 and its measures."""
        file = self._file(method, finding, path)
        try:
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as kept:
                return kept["map"], dict(zip(kept["names"].tolist(), kept["numbers"].tolist(), strict=True))
        except (OSError, ValueError, KeyError, BadZipFile, EOFError):
            raise UserError(f"{file} is damaged; remove it and start again.") from None

    def _file(self, method: str, finding: str, path: str) -> Path:
        # Names from data may hold anything; their hash is a file name everywhere.
        key = hashlib.sha256("\0".join((method, finding, path)).encode(errors="surrogateescape")).hexdigest()[:24]
        return self.folder / f"{key}.npz"
