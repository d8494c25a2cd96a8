"""Work that overlaps: the stages of a line of generators, each in a thread of its own."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
END = object()
POLL = 0.1  # seconds until a waiting thread looks whether it is still wanted


def overlap(items: Iterable[T], ahead: int = 2) -> Iterator[T]:
    """Yield `items` in their order while a thread makes the next ones, at most `ahead` of them beforehand.

    So memory is bounded, and stages overlap where they release Python's lock, as decoders and networks do. An
    exception of the stage is raised here; a consumer that stops early stops the stage.
    """
    made: Queue = Queue(ahead)
    stopped = Event()

    def put(item: object, error: BaseException | None = None) -> None:
        while not stopped.is_set():
            with suppress(Full):
                return made.put((item, error), timeout=POLL)

    def work() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    break
            put(END)
        except BaseException as error:  # whatever it is, it belongs to the consumer
            put(END, error)
        finally:
            if hasattr(items, "close"):
                items.close()

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is END:
                return
            yield item
    finally:
        stopped.set()
        with suppress(Empty):
            made.get_nowait()
        thread.join()


def in_order(function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Yield `function(item)` of every item, in their order, made by `workers` threads; few items wait at a time."""
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            if hasattr(items, "close"):
                items.close()
