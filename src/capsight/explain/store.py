"""Maps on disk: what has been explained is not explained again.

A map is kept under the method, the finding and the `key` of its frame, which stands for all that the map and its
measures depend on: pixels, region and label. So a frame that was exchanged, or a mask that was mended, is done anew.
"""

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

    def holds(self, method: str, finding: str, key: str) -> bool:
        return self._file(method, finding, key).exists()

    def put(self, method: str, finding: str, key: str, map: np.ndarray, numbers: dict[str, float]) -> None:
        """Keep a map (S, S) and what was measured of it."""
        with atomic(self._file(method, finding, key)) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, map=map.astype(np.float32), names=list(numbers), numbers=list(numbers.values()))

    def get(self, method: str, finding: str, key: str) -> tuple[np.ndarray, dict[str, float]]:
        """Return a map (S, S) float32 and its measures."""
        file = self._file(method, finding, key)
        try:
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as kept:
                return kept["map"], dict(zip(kept["names"].tolist(), kept["numbers"].tolist(), strict=True))
        except (OSError, ValueError, KeyError, BadZipFile, EOFError):
            raise UserError(f"{file} is damaged; remove it and start again.") from None

    def _file(self, method: str, finding: str, key: str) -> Path:
        # Names from data may hold anything; their hash is a file name everywhere.
        name = hashlib.sha256("\0".join((method, finding, key)).encode(errors="surrogateescape")).hexdigest()[:24]
        return self.folder / f"{name}.npz"
