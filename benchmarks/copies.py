"""The search for near-identical frames, by their hashes, against comparing all pairs."""

from collections.abc import Callable, Iterator

import numpy as np
from cases import Case

from capsight.data.copies import MAX_DISTANCE, near_identical_pairs

SIZES, QUICK = (1000, 3000, 10_000, 30_000, 100_000, 300_000), (100, 200)
COPIES = 0.05  # share of frames with a near-identical one, as measured where the capsule stood still


def cases(quick: bool) -> Iterator[Case]:
    for size in QUICK if quick else SIZES:
        peers = {"all pairs in NumPy": all_pairs}
        yield Case("near-identical frames", size, {"size": size}, {"size": 100}, ours, peers, same=True)


def hashes(size: int) -> np.ndarray:
    """Random hashes (n, 4), uint64, of which some are others with ten bits changed."""
    rng = np.random.default_rng(0)
    bits = rng.random((size, 256)) < 0.5
    copied = np.arange(0, size - 1, round(1 / COPIES))
    bits[copied + 1] = bits[copied]
    for row in copied + 1:
        bits[row, rng.choice(256, 10, replace=False)] ^= True
    return np.packbits(bits, axis=1).view(np.uint64)


def ours(size: int) -> Callable:
    frames = hashes(size)
    return lambda: near_identical_pairs(frames)


def all_pairs(size: int) -> Callable:
    frames = hashes(size)

    def search() -> np.ndarray:
        found = []
        for first in range(size - 1):
            apart = np.bitwise_count(frames[first] ^ frames[first + 1 :]).sum(axis=1)
            second = first + 1 + np.flatnonzero(apart <= MAX_DISTANCE)
            found.append(np.stack([np.full(len(second), first), second], axis=1))
        return np.concatenate(found)

    return search
