"""A batch on the simulated board: which registers, how many accesses, which memory, and the right scores."""

import statistics
import time

import numpy as np
import pytest

from pynq_bnn.backends import CpuBackend
from pynq_bnn.backends.overlay import OverlayBackend, RunOptions
from pynq_bnn.program.config import Config
from pynq_bnn.program.pack import pack_images, pack_program
from pynq_bnn.program.schedule import schedule
from pynq_bnn.program.stages import input_words

SMALL = Config(lanes=2, pe=16, simd=32, buffer_depth=1024, ring_depth=256)


def expected_scores(network, pixels):
    return CpuBackend(network).scores(pixels)


def test_the_register_sequence_of_a_batch(device, new_backend, small_network, noise):
    """Is it still there, settings, start, one look at STATUS after the predicted time, the cycles; nothing else."""
    backend = new_backend(small_network)
    pixels = noise(small_network, 5)
    backend.scores(pixels)
    device.log.clear()
    scores = backend.scores(pixels)
    assert np.array_equal(scores, expected_scores(small_network, pixels))

    (program,) = schedule(small_network, device.config, 8).programs
    words = pack_program(small_network, program, device.config)
    first, *held = sorted(device.buffers)
    images, results = held
    cycles = backend.last_cycles[0]
    done = 1 << 1
    log = [(kind, name, value & 0xFF if name == "STATUS" else value) for kind, name, value in device.log]
    sizes = device.config
    assert log == [
        ("read", "ARRAY", sizes.lanes + 256 * (sizes.pe + 256 * (sizes.simd + 256 * sizes.acc_width))),
        ("write", "PROGRAM_ADDRESS", first), ("write", "PROGRAM_WORDS", len(words)),
        ("write", "IMAGE_ADDRESS", images), ("write", "IMAGE_COUNT", 5),
        ("write", "RESULT_ADDRESS", results), ("write", "RESULT_WORDS", 5 * program.out_words),
        ("write", "CONTROL", 1), ("read", "STATUS", done), ("read", "CYCLES", cycles)]


def test_opening_reads_what_the_accelerator_is_and_writes_nothing(device, new_backend, small_network):
    new_backend(small_network)
    assert [entry[:2] for entry in device.log] == [("read", name) for name in ("ID", "VERSION", "ARRAY", "MEMORY",
                                                                               "STATUS")]


@pytest.mark.parametrize("counters", [False, True])
def test_a_call_takes_few_register_accesses_and_no_allocation(device, new_backend, small_network, noise, counters):
    backend = new_backend(small_network, counters=counters)
    for count in (1, 2, 3, 8, 20):
        backend.scores(noise(small_network, count))
    allocations = device.allocations
    for count in (1, 2, 3, 5, 8, 19, 20):
        device.log.clear()
        backend.scores(noise(small_network, count))
        assert len(device.log) <= (14 if counters else 13), f"{count} images: {device.log}"
    assert device.allocations == allocations
    assert len(backend.last_counters) == counters


def test_slow_memory_costs_few_looks_more(new_device, small_network, noise):
    """The accelerator may take almost twice the predicted time within 13 accesses."""
    from pynq_bnn.simulation import MemoryTiming
    device = new_device(timing=MemoryTiming(latency=60, rate=0.5))
    with OverlayBackend(small_network, device.bitstream) as backend:
        backend.scores(noise(small_network, 8))
        device.log.clear()
        backend.scores(noise(small_network, 8))
    assert 10 <= len(device.log) <= 13


def test_a_program_is_packed_once(new_backend, small_network, noise, monkeypatch):
    packed = []

    def pack(*arguments):
        packed.append(arguments)
        return pack_program(*arguments)

    monkeypatch.setattr("pynq_bnn.board.loaded_network.pack_program", pack)
    backend = new_backend(small_network)
    for count in (1, 1, 2, 2, 40, 40, 3, 33):
        backend.scores(noise(small_network, count))
    assert 1 <= len(packed) <= len({str(schedule(small_network, backend.config, n).programs) for n in (1, 2, 4, 64)})


@pytest.mark.parametrize("cacheable", [True, False])
@pytest.mark.parametrize("seed", range(15))
def test_random_networks_are_equal(new_device, random_network, noise, seed, cacheable):
    device, rng = new_device(SMALL, seed=seed), np.random.default_rng(seed)
    network = random_network(3000 + seed)
    options = RunOptions(cacheable=cacheable, slots=int(rng.integers(1, 6)), counters=bool(rng.integers(0, 2)),
                         memory_limit=int(rng.choice([32 << 20, 30_000])))
    pixels = noise(network, int(rng.integers(1, 40)), seed)
    with OverlayBackend(network, device.bitstream, options=options) as backend:
        assert np.array_equal(expected_scores(network, pixels), backend.scores(pixels)), f"seed {3000 + seed}"
        pairs = zip(CpuBackend(network).states(pixels), backend.states(pixels), strict=True)
        for layer, (a, b) in enumerate(pairs):
            assert np.array_equal(a, b), f"seed {3000 + seed}, layer {layer}"
        assert np.array_equal(expected_scores(network, pixels), backend.scores(pixels)), f"seed {3000 + seed}, again"
    assert not device.buffers


@pytest.mark.parametrize("forgotten", ["flush", "invalidate"])
def test_a_driver_that_forgets_coherency_is_caught(device, new_backend, small_network, noise, monkeypatch, forgotten):
    """The simulated caches are strict enough to notice."""
    monkeypatch.setattr(f"pynq_bnn.board.buffers.Buffer.{forgotten}", lambda *_: None)
    device.core.allow_outside()
    backend, pixels = new_backend(small_network, timeout=1e-4), noise(small_network, 5)
    try:
        right = np.array_equal(backend.scores(pixels), expected_scores(small_network, pixels))
    except Exception:
        right = False
    assert not right


@pytest.mark.parametrize("what", ["images", "programs"])
def test_a_driver_that_forgets_one_flush_is_caught(new_backend, small_network, noise, monkeypatch, what):
    from pynq_bnn.board.buffers import Buffer
    flush, backend = Buffer.flush, new_backend(small_network, timeout=1e-4)
    words = 5 * input_words(small_network)

    def forget(self, count):
        if (count == words) != (what == "images"):
            flush(self, count)

    monkeypatch.setattr(Buffer, "flush", forget)
    try:
        right = np.array_equal(backend.scores(noise(small_network, 5)), expected_scores(small_network, noise(
            small_network, 5)))
    except Exception:
        right = False
    assert not right


def test_without_caches_nothing_need_be_flushed(new_backend, small_network, noise, monkeypatch):
    monkeypatch.setattr("pynq_bnn.board.buffers.Buffer.flush", lambda *_: None)
    monkeypatch.setattr("pynq_bnn.board.buffers.Buffer.invalidate", lambda *_: None)
    backend, pixels = new_backend(small_network, cacheable=False), noise(small_network, 5)
    assert np.array_equal(backend.scores(pixels), expected_scores(small_network, pixels))


@pytest.mark.parametrize("limit", [2_000, 5_000, 20_000])
@pytest.mark.parametrize("cuts", [None, (1,), (0, 1, 2)])
def test_chunks_stay_below_the_memory_limit(device, new_backend, small_network, noise, limit, cuts):
    backend, pixels = new_backend(small_network, memory_limit=limit, cuts=cuts), noise(small_network, 60)
    most = 0
    flush = device.flush

    def watch(*arguments):
        nonlocal most
        most = max(most, sum(device.buffers.values()))
        flush(*arguments)

    device.flush = watch
    scores = backend.scores(pixels)
    assert np.array_equal(scores, expected_scores(small_network, pixels))
    programs = 8 * sum(len(pack_program(small_network, p, device.config))
                       for p in schedule(small_network, device.config, 64, cuts=cuts).programs)
    assert most <= limit + 2 * programs
    if limit < 20_000:
        assert len(backend.last_cycles) > len(cuts or ()) + 1


def test_the_next_chunk_is_packed_while_one_is_computed(device, new_backend, small_network, noise, monkeypatch):
    def pack(network, pixels, out):
        device.log.append(("pack", len(pixels), 0))
        return pack_images(network, pixels, out)

    monkeypatch.setattr("pynq_bnn.board.loaded_network.pack_images", pack)
    backend, pixels = new_backend(small_network, memory_limit=2_000), noise(small_network, 60)
    backend.scores(pixels)
    device.log.clear()
    assert np.array_equal(backend.scores(pixels), expected_scores(small_network, pixels))
    steps = [(kind, name) for kind, name, _ in device.log
             if kind == "pack" or name in ("CONTROL", "STATUS", "IMAGE_ADDRESS")]
    chunks = len(backend.last_cycles)
    assert chunks >= 3
    packs = [place for place, step in enumerate(steps) if step[0] == "pack"]
    assert packs[0] == 0
    for place in packs[1:]:
        assert steps[place - 1] == ("write", "CONTROL")
        assert steps[place + 1] == ("read", "STATUS")
    addresses = [value for _, name, value in device.log if name == "IMAGE_ADDRESS"]
    assert addresses == [addresses[n % 2] for n in range(chunks)]
    assert addresses[0] != addresses[1]


def test_a_stream_takes_its_next_piece_while_one_is_computed(device, new_backend, small_network, noise):
    backend, taken = new_backend(small_network), []

    def pieces():
        for seed, count in enumerate((4, 0, 7, 1, 30)):
            taken.append(device.log[-1][1] if device.log else None)
            yield noise(small_network, count, seed)

    backend.scores(noise(small_network, 1))
    device.log.clear()
    scores = np.concatenate(list(backend.stream(pieces())))
    pixels = np.concatenate([noise(small_network, count, seed) for seed, count in enumerate((4, 0, 7, 1, 30))])
    assert np.array_equal(scores, expected_scores(small_network, pixels))
    assert taken == [None, "CONTROL", "CONTROL", "CONTROL", "CONTROL"]


def test_no_image_gives_no_score_and_no_access(device, new_backend, small_network, noise):
    backend = new_backend(small_network)
    device.log.clear()
    assert backend.scores(noise(small_network, 0)).shape == (0, 5)
    assert list(backend.stream([])) == []
    assert not device.log
    assert [len(state) for state in backend.states(noise(small_network, 0))] == [0] * 4


def test_an_overlay_that_is_loaded_already_is_taken(pynq, device, new_backend, small_network, noise):
    overlay = pynq.Overlay(device.bitstream)
    backend, pixels = new_backend(small_network, overlay), noise(small_network, 3)
    assert np.array_equal(backend.scores(pixels), expected_scores(small_network, pixels))
    assert device.downloads == 1


def test_the_driver_is_bound_by_type(pynq, device, new_backend, small_network):
    from pynq_bnn.board.ip import BnnIp
    new_backend(small_network)
    assert isinstance(pynq.Overlay(device.bitstream, download=False).bnn, BnnIp)


def test_the_driver_itself_takes_little_time(device, new_backend, small_network, noise, monkeypatch, record_property):
    """Of a call with one image, all but the simulation; a loose bound, for slow machines."""
    backend, pixels = new_backend(small_network), noise(small_network, 1)
    simulated = 0.0

    def timed(function):
        def call(*arguments, **values):
            nonlocal simulated
            began = time.perf_counter()
            try:
                return function(*arguments, **values)
            finally:
                simulated += time.perf_counter() - began
        return call

    for name in ("run", "read", "write"):
        monkeypatch.setattr(device.core, name, timed(getattr(device.core, name)))
    backend.scores(pixels)
    times = []
    for _ in range(50):
        simulated, began = 0.0, time.perf_counter()
        backend.scores(pixels)
        times.append(time.perf_counter() - began - simulated)
    record_property("driver_us", round(1e6 * statistics.median(times)))
    assert statistics.median(times) < 20e-3
