import threading
import time

import pytest

from capsight.overlap import in_order, overlap


def test_items_come_in_order_from_another_thread():
    def numbers():
        for number in range(50):
            yield number, threading.get_ident()

    items = list(overlap(numbers()))
    assert [number for number, _ in items] == list(range(50))
    assert {thread for _, thread in items} != {threading.get_ident()}


def test_only_so_many_are_made_ahead():
    made = []

    def numbers():
        for number in range(100):
            made.append(number)
            yield number

    stream = overlap(numbers(), ahead=3)
    assert next(stream) == 0
    time.sleep(0.3)
    assert len(made) <= 1 + 3 + 1  # taken, waiting, and the one that finds no room
    stream.close()


def test_a_consumer_that_stops_stops_the_stage():
    closed = threading.Event()

    def numbers():
        try:
            yield from range(10**9)
        finally:
            closed.set()

    stream = overlap(numbers())
    next(stream)
    stream.close()
    assert closed.is_set()


def test_an_exception_comes_out_after_the_items_before_it():
    def numbers():
        yield 1
        raise ValueError("broken")

    stream = overlap(numbers())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="broken"):
        next(stream)


def test_workers_keep_the_order_and_hold_few():
    started = []

    def slow(number):
        started.append(number)
        time.sleep(0.01 if number % 3 else 0.03)
        return -number

    results = in_order(slow, iter(range(30)), workers=3)
    assert next(results) == 0
    assert len(started) <= 8
    assert list(results) == [-number for number in range(1, 30)]


def test_a_worker_that_fails_is_heard():
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda number: 1 // (number - 5), range(10), workers=2))
