"""Turns of threads: one at a time, an error instead of waiting for oneself, and none for anybody else."""

import threading

import pytest

from pynq_bnn.board.turn import Turn
from pynq_bnn.errors import BackendError


def test_a_thread_that_asks_twice_gets_the_error_and_keeps_its_turn():
    turn = Turn("wait for yourself")
    for _ in range(2):
        with turn.take():
            assert turn.mine
            with pytest.raises(BackendError, match="wait for yourself"), turn.take():
                raise AssertionError
            with turn.try_to_take() as taken:
                assert not taken
            assert turn.mine
        assert not turn.mine
    with turn.try_to_take() as taken:
        assert taken
        assert turn.mine
    assert not turn.mine


@pytest.mark.parametrize("how", ["take", "try_to_take"])
def test_the_last_holder_is_not_taken_for_the_next_one(how):
    """Another thread has the lock, and was stopped before it could note that it is the one."""
    turn = Turn("")
    with getattr(turn, how)():
        """Had, and given back."""
    turn._lock.acquire()
    assert not turn.mine
    turn._lock.release()


def test_others_wait_for_the_turn_or_go_without_it():
    turn, order, had = Turn(""), [], threading.Event()

    def other():
        with turn.try_to_take(0.01) as taken:
            order.append(taken)
        had.set()
        with turn.take():
            order.append("other")

    thread = threading.Thread(target=other)
    with turn.take():
        thread.start()
        assert had.wait(10)
        order.append("first")
    thread.join(10)
    assert order == [False, "first", "other"]


def test_an_exception_gives_the_turn_back():
    turn = Turn("")
    for way in (turn.take, turn.try_to_take):
        with pytest.raises(KeyboardInterrupt), way():
            raise KeyboardInterrupt
        assert not turn._lock.locked()
