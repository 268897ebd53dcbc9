"""One BLAS thread while choosing, and work spread over threads in blocks."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from amf_ros.selection.blas_threads import cores, one_blas_thread
from amf_ros.selection.engine.parallel import Scratch, spread


def limits():
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def two_threads():
    """BLAS on two threads, as in a node, whatever the other tests run with."""
    with threadpool_limits(2, user_api="blas"):
        assert set(limits().values()) == {2}
        yield


def in_threads(work):
    """What ``work`` gives in each of three threads, one after the other."""
    found = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: found.append(work()))
        thread.start()
        thread.join()
    return found


def test_limit_holds_in_whichever_thread_it_is_asked_for(two_threads):
    def inside():
        with one_blas_thread():
            return set(limits().values())

    assert [inside(), *in_threads(inside), inside()] == [{1}] * 5
    assert in_threads(lambda: set(limits().values())) == [{2}] * 3


def test_limit_holds_inside_and_is_lifted_after_the_last_of_overlapping_callers(two_threads):
    before, inside, leave = limits(), threading.Event(), threading.Event()

    def caller():
        with one_blas_thread():
            inside.set()
            assert leave.wait(10)

    other = threading.Thread(target=caller)
    with one_blas_thread():
        other.start()
        assert inside.wait(10)
        assert set(limits().values()) == {1}
    # The first to enter has left; the other one still counts on its limit.
    assert set(limits().values()) == {1}
    leave.set()
    other.join()
    assert limits() == before


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_each_item_is_worked_on_once(threads):
    done = np.zeros(100, dtype=int)

    def work(item, scratch):
        scratch.array("own", (3, item + 1), np.float32)[:] = item
        done[item] += 1

    spread(work, range(100), threads)
    assert done.tolist() == [1] * 100
    spread(work, [], threads)


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_a_worker_is_raised(threads):
    def work(item, scratch):
        if item == 7:
            raise ValueError("seven")

    with pytest.raises(ValueError, match="seven"):
        spread(work, range(20), threads)


def test_scratch_gives_the_same_memory_again_where_it_fits():
    scratch = Scratch()
    first = scratch.array("a", (4, 5), np.float32)
    assert np.shares_memory(first, scratch.array("a", (2, 3), np.float32))
    assert not np.shares_memory(first, scratch.array("b", (4, 5), np.float32))
    assert scratch.array("a", (4, 5), np.float64).dtype == np.float64
    assert scratch.array("a", (9, 9), np.float64).shape == (9, 9)


def test_there_is_a_core_at_least():
    assert cores() >= 1
