from threadpoolctl import threadpool_info, threadpool_limits

from capsight.hardware import one_thread


def threads():
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}


def test_small_sums_are_computed_in_one_thread():
    with threadpool_limits(2):
        before = threads()
        with one_thread():
            within = threads()
        assert threads() == before
    assert 2 in before.values() and set(within.values()) == {1}
