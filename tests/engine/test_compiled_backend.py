"""The compiled engine as a backend: NumPy's integers for any network, array, batch and number of threads."""

import multiprocessing
import threading
import tracemalloc

import numpy as np
import pytest

from pynq_bnn.backends import CompiledBackend, CpuBackend, PopcountBackend
from pynq_bnn.engine import plan as plan_module
from pynq_bnn.errors import BackendError
from pynq_bnn.zoo import TOPOLOGIES, find_network, shipped
from pynq_bnn.zoo.untrained import untrained_network


@pytest.fixture(autouse=True)
def _small_batches_get_threads_too(monkeypatch):
    monkeypatch.setattr(plan_module, "_THREAD_WORDS", 1)


def pixels_for(network, count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *network.input.shape), dtype=np.uint8)


@pytest.mark.parametrize("seed", range(40))
def test_random_networks_give_the_maps_and_scores_of_both_other_engines(library, random_network, seed):
    network = random_network(seed)
    pixels = pixels_for(network, 3, seed)
    expected = list(CpuBackend(network).states(pixels))
    assert np.array_equal(expected[-1], PopcountBackend(network).scores(pixels))
    for instruction_set in library.instruction_sets:
        backend = CompiledBackend(network, instruction_set=instruction_set)
        for layer, (state, wanted) in enumerate(zip(backend.states(pixels), expected, strict=True)):
            assert state.dtype == wanted.dtype
            assert np.array_equal(state, wanted), f"seed {seed}, {instruction_set}, layer {layer}"
        assert np.array_equal(backend.scores(pixels), expected[-1]), f"seed {seed}, {instruction_set}"


@pytest.mark.parametrize("name", shipped())
def test_shipped_networks_give_the_scores_of_numpy(library, name):
    network = find_network(name)
    pixels = pixels_for(network, 9)
    pixels[8] = network.golden.image
    expected = CpuBackend(network).scores(pixels)
    assert np.array_equal(expected[8], network.golden.scores)
    for instruction_set in library.instruction_sets:
        assert np.array_equal(CompiledBackend(network, instruction_set=instruction_set).scores(pixels), expected)


@pytest.mark.parametrize("name", ["binarynet-svhn", "sfc-mnist"])
def test_other_published_networks_too(name):
    network = untrained_network(TOPOLOGIES[name])
    pixels = pixels_for(network, 2)
    for state, wanted in zip(CompiledBackend(network).states(pixels), CpuBackend(network).states(pixels), strict=True):
        assert np.array_equal(state, wanted)


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
def test_scores_do_not_depend_on_threads_or_blocks(random_network, monkeypatch, threads):
    network = random_network(5)
    pixels = pixels_for(network, 23)
    expected = CpuBackend(network).scores(pixels)
    assert np.array_equal(CompiledBackend(network, threads=threads).scores(pixels), expected)
    monkeypatch.setattr(plan_module, "_MOST_IMAGES", 3)
    backend = CompiledBackend(network, threads=threads)
    for count in (0, 1, 2, 3, 4, 23):
        assert np.array_equal(backend.scores(pixels[:count]), expected[:count])
    assert backend.last_time.compute > 0


def test_small_batches_start_no_threads(random_network, monkeypatch):
    monkeypatch.setattr(plan_module, "_THREAD_WORDS", 1 << 21)
    monkeypatch.setattr(threading.Thread, "start", lambda self: pytest.fail("a thread for next to nothing"))
    CompiledBackend(random_network(5), threads=4).scores(pixels_for(random_network(5), 4))


@pytest.mark.parametrize("threads", [0, -1])
def test_fewer_threads_than_one_are_refused(random_network, threads):
    with pytest.raises(BackendError, match="1 and more fit"):
        CompiledBackend(random_network(1), threads=threads)


def test_strided_unaligned_and_read_only_arrays_fit(random_network):
    network = random_network(7)
    pixels = pixels_for(network, 6)
    expected = CpuBackend(network).scores(pixels)
    backend = CompiledBackend(network, threads=2)
    room = np.zeros(pixels.size + 1, np.uint8)
    shifted = room[1:].reshape(pixels.shape)
    shifted[:] = pixels
    fortran, frozen = np.asfortranarray(pixels), pixels.copy()
    frozen.flags.writeable = False
    for same in (shifted, fortran, frozen, np.repeat(pixels, 2, axis=0)[::2], pixels[::-1].copy()[::-1]):
        assert np.array_equal(backend.scores(same), expected)
        assert np.array_equal(list(backend.states(same))[-1], expected)


def test_a_thread_that_fails_ends_the_call_with_its_error(random_network, monkeypatch):
    network = random_network(5)
    monkeypatch.setattr(plan_module, "_MOST_IMAGES", 1)
    backend = CompiledBackend(network, threads=3)

    def fail(images):
        raise MemoryError("of a test")

    monkeypatch.setattr(backend._plan, "_memory", fail)
    with pytest.raises(MemoryError, match="of a test"):
        backend.scores(pixels_for(network, 9))


def test_a_system_without_more_threads_still_computes(random_network, monkeypatch):
    network = random_network(5)
    pixels = pixels_for(network, 9)
    monkeypatch.setattr(plan_module, "_MOST_IMAGES", 1)

    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert np.array_equal(CompiledBackend(network, threads=4).scores(pixels), CpuBackend(network).scores(pixels))


def test_memory_does_not_grow_with_the_batch(random_network):
    network = random_network(5)
    batch = np.broadcast_to(pixels_for(network, 1), (50_000, *network.input.shape))
    backend = CompiledBackend(network, threads=2)
    tracemalloc.start()
    scores = backend.scores(batch)
    peak = tracemalloc.get_traced_memory()[1] - scores.nbytes
    tracemalloc.stop()
    assert peak < 8 << 20 < batch.size
    assert (scores == CpuBackend(network).scores(batch[:1])).all()


def test_two_threads_share_one_backend(random_network):
    network = random_network(9)
    backend = CompiledBackend(network, threads=2)
    batches = [pixels_for(network, 200, seed) for seed in range(4)]
    expected = [CpuBackend(network).scores(batch) for batch in batches]
    found = [[] for _ in batches]

    def ask(number):
        found[number].extend(backend.scores(batches[number]) for _ in range(20))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for wanted, given in zip(expected, found):
        assert len(given) == 20
        assert all(np.array_equal(scores, wanted) for scores in given)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
def test_a_fork_after_use_computes_too(random_network):
    network = random_network(9)
    backend = CompiledBackend(network, threads=2)
    pixels = pixels_for(network, 300)
    expected = backend.scores(pixels)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=lambda: queue.put(backend.scores(pixels)))
    process.start()
    assert np.array_equal(queue.get(timeout=60), expected)
    process.join(60)
    assert process.exitcode == 0
