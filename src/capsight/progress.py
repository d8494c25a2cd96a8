"""A progress bar for everything that takes longer than a second."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import track as rich_track
from rich.text import Text

T = TypeVar("T")


def track(iterable: Iterable[T], description: str, total: int | None = None, *, shown: bool = True) -> Iterator[T]:
    """Yield the items of `iterable` under a progress bar on standard error."""
    return rich_track(iterable, description, total=total, console=Console(stderr=True), disable=not shown)


def track_frames(counts: Iterable[int], description: str, *, total: int, done: int = 0) -> int:
    """Go through numbers of frames under a bar with frames a second and the remaining time; returns their sum.

    done: frames of an earlier session, which tell nothing about the speed of this one.
    """
    came = 0
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        _Frames(done),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=60) as progress:
        task = progress.add_task(description, total=max(total - done, 0))
        for count in counts:
            came += count
            progress.advance(task, count)
    return came


class _Frames(ProgressColumn):
    """How many frames there are, and how many come in a second."""

    def __init__(self, done: int):
        super().__init__()
        self.done = done

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        pace = f"{speed:,.0f} frames/s" if speed else "…"
        return Text(f"{self.done + task.completed:,.0f} of {self.done + (task.total or 0):,.0f}, {pace}")
