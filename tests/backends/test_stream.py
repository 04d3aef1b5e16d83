"""The one loop over batches: what is started, waited for and given up, and when, on any kind of backend."""

import numpy as np
import pytest

from pynq_bnn.backends import Backend, BackendTime, CpuBackend, Pending
from pynq_bnn.errors import BackendError
from pynq_bnn.zoo import TOPOLOGIES
from pynq_bnn.zoo.untrained import untrained_network


class Job(Pending):
    done, time = False, BackendTime(2.0, 3.0)

    def __init__(self, device, number, scores):
        self.device, self.number, self.scores = device, number, scores

    def wait(self):
        if not self.done:
            self.finish()
        return self.scores

    def finish(self):
        self.done = True
        self.device.log.append(f"finish {self.number}")

    def cancel(self):
        if not self.done:
            self.done = True
            self.device.log.append(f"cancel {self.number}")


class Device(Backend):
    """Computes one batch at a time, as CpuBackend does; notes what it is asked for."""

    name = "device"

    def __init__(self, network):
        super().__init__(network)
        self.engine, self.log, self.last = CpuBackend(network), [], None

    def start(self, pixels):
        number = 0 if self.last is None else self.last.number + 1
        self.log.append(f"prepare {number}")
        if self.last is not None and not self.last.done:
            self.last.finish()
        self.log.append(f"start {number}")
        self.last = Job(self, number, self.engine.scores(pixels))
        return self.last

    def scores(self, pixels):
        return self.start(pixels).wait()

    def states(self, pixels):
        return self.engine.states(pixels)


@pytest.fixture(scope="module")
def network():
    return untrained_network(TOPOLOGIES["tfc-mnist"], seed=1)


@pytest.fixture
def device(network):
    return Device(network)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (9, 28, 28, 1), dtype=np.uint8)


def pieces(log, pixels, fail=None):
    for number in range(3):
        log.append(f"take {number}")
        if number == fail:
            raise RuntimeError("in the pieces")
        yield pixels[3 * number:3 * number + 3]


def test_a_device_has_the_next_batch_when_a_result_is_given(device, pixels):
    results = []
    for number, scores in enumerate(device.stream(pieces(device.log, pixels))):
        results.append(scores)
        device.log.append(f"use {number}")
    assert device.log == ["take 0", "prepare 0", "start 0", "take 1", "prepare 1", "finish 0", "start 1", "use 0",
                          "take 2", "prepare 2", "finish 1", "start 2", "use 1", "finish 2", "use 2"]
    assert np.array_equal(np.concatenate(results), device.engine.scores(pixels))
    assert device.last_time == BackendTime(6.0, 9.0)


def test_time_is_that_of_the_results_so_far(device, pixels):
    times = [device.last_time for _ in device.stream(pieces(device.log, pixels))]
    assert times == [BackendTime(2.0, 3.0), BackendTime(4.0, 6.0), BackendTime(6.0, 9.0)]
    assert list(device.stream([])) == []
    assert device.last_time == BackendTime()


def test_a_processor_gives_each_result_before_it_takes_the_next_piece(network, pixels):
    log, engine = [], CpuBackend(network)
    for number, _ in enumerate(engine.stream(pieces(log, pixels))):
        log.append(f"use {number}")
    assert log == ["take 0", "use 0", "take 1", "use 1", "take 2", "use 2"]


def test_a_processors_batch_is_done_when_it_is_started(network, pixels):
    engine = CpuBackend(network)
    pending = engine.start(pixels)
    assert pending.done
    assert pending.time == engine.last_time
    assert pending.time.compute > 0
    pending.cancel()
    for _ in range(2):
        assert np.array_equal(pending.wait(), engine.scores(pixels))


@pytest.mark.parametrize("end", ["close", "raise", "pieces"])
def test_whatever_ends_a_stream_early_what_is_under_way_is_given_up(device, pixels, end):
    stream = device.stream(pieces(device.log, pixels, fail=2 if end == "pieces" else None))
    next(stream)
    if end == "close":
        stream.close()
    elif end == "raise":
        with pytest.raises(ZeroDivisionError):
            stream.throw(ZeroDivisionError())
    else:
        with pytest.raises(RuntimeError, match="in the pieces"):
            next(stream)
    assert device.log[-1] == "cancel 1"
    assert [entry for entry in device.log if entry.startswith("finish")] == ["finish 0"]
    assert np.array_equal(device.scores(pixels), device.engine.scores(pixels))


def test_a_batch_that_goes_wrong_ends_the_stream_and_gives_up_the_next(device, pixels):
    stream = device.stream(pieces(device.log, pixels))

    def wait(self):
        raise BackendError("went wrong")

    first = device.start

    def start(pixels):
        job = first(pixels)
        if job.number == 0:
            job.wait = wait.__get__(job)
        return job

    device.start = start
    with pytest.raises(BackendError, match="went wrong"):
        next(stream)
    assert device.log[-1] == "cancel 1"


def test_pieces_that_are_empty_are_passed_over_and_those_that_do_not_fit_refused(device, network, pixels):
    for backend in (device, CpuBackend(network)):
        results = list(backend.stream([pixels[:0], pixels[:2], pixels[:0], pixels[2:]]))
        assert [len(scores) for scores in results] == [2, 7]
        with pytest.raises(BackendError, match="uint8 fits"):
            list(backend.stream([pixels, pixels[:0, :5]]))
    assert device.log[-1].startswith("cancel")
