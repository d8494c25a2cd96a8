"""A progress bar for everything that takes longer than a second."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track as rich_track

T = TypeVar("T")


def track(iterable: Iterable[T], description: str, total: int | None = None, *, shown: bool = True) -> Iterator[T]:
    """Yield the items of `iterable` under a progress bar on standard error."""
    return rich_track(iterable, description, total=total, console=Console(stderr=True), disable=not shown)
