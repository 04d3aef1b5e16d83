"""Whatever goes wrong, the accelerator ends with an error code or resets cleanly, and the next run is right.

Every case ends in the same way: STATUS says what is expected, and an undisturbed run behind it gives the right scores.
The memory model fails a test when anything is written outside the results; a watchdog fails it when a run hangs.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from tools import needs_simulator

from pynq_bnn.backends import CpuBackend
from pynq_bnn.errors import BackendError
from pynq_bnn.network import BinConv, BinFc, FpConv, InputSpec, Network, OutputSpec, Scores, signed_codes
from pynq_bnn.program.config import Config
from pynq_bnn.program.fields import LAYER_RECORD, PROGRAM_RECORD, Error, pack
from pynq_bnn.program.pack import pack_images, pack_program, unpack_scores
from pynq_bnn.program.registers import BUSY, DONE, FAILED, OFFSETS, RESET, START, start
from pynq_bnn.program.schedule import schedule
from pynq_bnn.simulation import DECODE_ERROR, NO_ANSWER, SLAVE_ERROR, MemoryTiming, SimulatedCore, build, core_sources

pytestmark = needs_simulator

CONFIG = Config(lanes=2, pe=8, simd=64, buffer_depth=256, ring_depth=32)
PROGRAM, IMAGES, RESULTS = 0x1000_0FF8, 0x2000_0000, 0x3000_0008
WATCHDOG = 30_000
COUNT = 5
# CI's share; PYNQ_BNN_FAULTS=10000 for a long run.
POINTS = int(os.environ.get("PYNQ_BNN_FAULTS", "240"))


def small_network():
    rng = np.random.default_rng(7)

    def bits(*shape):
        return rng.integers(0, 2, shape, dtype=np.uint8)

    def thresholds(count):
        return rng.integers(-3, 4, count).astype(np.int32), bits(count).astype(bool)

    layers = (FpConv(bits(12, 3, 3, 1), rng.integers(-200, 200, 12).astype(np.int32), bits(12).astype(bool), padding=1),
              BinConv(bits(20, 3, 3, 12), *thresholds(20), padding=1, pool=2, pad_value="one"),
              BinFc(bits(9, 9 * 20), *thresholds(9)), Scores(bits(5, 9)))
    output = OutputSpec(tuple("abcde"), np.ones(5, np.float32), np.zeros(5, np.float32))
    return Network("small", InputSpec(6, 6, 1, signed_codes()), layers, output)


class Bench:
    """The core with one program, images and results, and the scores that are right."""

    def __init__(self, seed=1):
        network = small_network()
        self.plan = schedule(network, CONFIG, COUNT, cuts=(), slots=2).programs[0]
        self.words = pack_program(network, self.plan, CONFIG)
        pixels = np.random.default_rng(3).integers(0, 256, (COUNT, 6, 6, 1), dtype=np.uint8)
        self.images = pack_images(network, pixels)
        self.expected = CpuBackend(network).scores(pixels)
        self.results = np.zeros((COUNT, self.plan.out_words), np.uint64)
        self.core = SimulatedCore(build(core_sources(), CONFIG.parameters), seed, timing=MemoryTiming(latency=12))
        self.connect(self.words)

    def connect(self, words):
        self.core.clear_memory()
        self.core.add_memory(PROGRAM, words)
        self.core.add_memory(IMAGES, self.images)
        self.core.add_memory(RESULTS, self.results, writable=True, readable=False)
        self.core.write(OFFSETS["INTERRUPT"], 1)

    def start(self, words=None, program=PROGRAM, images=IMAGES, results=RESULTS, length=None, count=COUNT, room=None):
        words = self.words if words is None else words
        length = len(words) if length is None else length
        start(self.core, (program, length), (images, count), (results, self.results.size if room is None else room))

    def status(self):
        return self.core.read(OFFSETS["STATUS"])

    def finish(self):
        """STATUS at the end of a run."""
        self.core.run(WATCHDOG)
        status = self.status()
        assert status & DONE, f"hangs: STATUS {status:#x}"
        return status

    def reset(self):
        self.core.write(OFFSETS["CONTROL"], RESET)
        for _ in range(100):
            if not self.status() & BUSY:
                break
            self.core.run(20, until_irq=False)
        assert self.status() & (BUSY | DONE | FAILED) == 0, "the reset does not end"

    def assert_right(self, note):
        self.results[...] = ~np.uint64(0)
        self.start()
        status = self.finish()
        assert not status & FAILED, f"{note}: STATUS {status:#x} in the run behind it"
        assert np.array_equal(unpack_scores(self.results, 5), self.expected), f"{note}: wrong scores behind it"

    def assert_error(self, status, errors, note):
        assert status & FAILED, f"{note}: no error, STATUS {status:#x}"
        found = Error(status >> 8 & 0xFF)
        assert found in errors, f"{note}: {found.name}"


@pytest.fixture(scope="module")
def bench():
    made = Bench()
    yield made
    made.core.close()


@pytest.fixture(scope="module")
def cycles(bench):
    """Cycles of an undisturbed run."""
    bench.assert_right("first run")
    return bench.core.read(OFFSETS["CYCLES"])


def bursts(address, words):
    """Bursts for a stretch of memory: each ends at a multiple of 16 words."""
    first = address // 8
    return (first + words - 1) // 16 - first // 16 + 1


def test_errors_of_the_memory_end_the_run(bench):
    groups = [CONFIG.lanes * bench.plan.layout.slots, COUNT - CONFIG.lanes * bench.plan.layout.slots]
    # Reads behind these may be the program once more, read ahead for a group that does not come.
    reads = len(groups) * bursts(PROGRAM, len(bench.words))
    place, writes = 0, 0
    for images in groups:
        reads += bursts(IMAGES + 8 * place * bench.plan.in_words, images * bench.plan.in_words)
        writes += bursts(RESULTS + 8 * place * bench.plan.out_words, images * bench.plan.out_words)
        place += images
    for seed in range(POINTS):
        rng = np.random.default_rng(seed)
        response = int(rng.choice([SLAVE_ERROR, DECODE_ERROR]))
        note = f"seed {seed}"
        if rng.random() < 0.8:
            burst, beat = int(rng.integers(reads)), None if rng.random() < 0.5 else 0
            bench.core.fault_read(burst, response, beat)
            expected = {Error.READ}
        else:
            bench.core.fault_write(int(rng.integers(writes)), response)
            expected = {Error.WRITE}
        bench.start()
        bench.assert_error(bench.finish(), expected, note)
        bench.core.clear_faults()
        bench.assert_right(note)


def test_a_reset_at_any_cycle_is_clean(bench, cycles):
    for seed in range(2 * POINTS):
        rng = np.random.default_rng(seed)
        bench.start()
        bench.core.run(int(rng.integers(1, cycles + 20)), until_irq=False)
        bench.reset()
        bench.assert_right(f"seed {seed}")


def test_a_memory_that_never_answers_leaves_the_core_resettable(bench, cycles):
    for seed in range(POINTS // 4):
        rng = np.random.default_rng(seed)
        order = bench.core.fault_read if rng.random() < 0.7 else bench.core.fault_write
        order(int(rng.integers(2)), NO_ANSWER)
        bench.start()
        bench.core.run(2 * cycles, until_irq=True)
        assert bench.status() & BUSY, f"seed {seed}"
        bench.core.write(OFFSETS["CONTROL"], RESET)
        bench.core.run(200, until_irq=False)
        assert bench.status() & BUSY, f"seed {seed}: a reset that drops bursts which are under way"
        bench.core.clear_faults()
        bench.core.run(400, until_irq=False)
        bench.assert_right(f"seed {seed}")


def headers(bench):
    places, place = [(0, len(PROGRAM_RECORD))], len(PROGRAM_RECORD)
    for stage in bench.plan.stages:
        places.append((place, len(LAYER_RECORD)))
        place += len(LAYER_RECORD) + stage.tiles * stage.rows * CONFIG.pe
    assert place == len(bench.words)
    return places


def test_damaged_records_are_refused_with_the_layer(bench):
    places = headers(bench)
    for seed in range(POINTS):
        rng = np.random.default_rng(seed)
        number = int(rng.integers(len(places)))
        words = bench.words.copy()
        first, length = places[number]
        place = first + int(rng.integers(length))
        if rng.random() < 0.5:
            words[place] ^= np.uint64(1) << np.uint64(rng.integers(64))
        else:
            words[first:first + length] = rng.integers(0, 1 << 64, length, np.uint64)
        bench.connect(words)
        bench.start(words)
        status = bench.finish()
        bench.assert_error(status, {Error.PROGRAM} if number == 0 else {Error.HEADER}, f"seed {seed}")
        if number:
            assert status >> 16 & 0xFF == number - 1, f"seed {seed}: wrong layer"
        bench.connect(bench.words)
        bench.assert_right(f"seed {seed}")


def forged(bench, number, **changes):
    """The program with fields of a header changed and its check made to fit."""
    record = LAYER_RECORD if number else PROGRAM_RECORD
    first, length = headers(bench)[number]
    values, words = {}, bench.words.copy()
    for word, fields in zip(words[first:first + length], record):
        shift = 0
        for field in fields:
            values[field.name] = int(word) >> shift & (1 << field.bits) - 1
            shift += field.bits
    values.pop("check")
    words[first:first + length] = pack(record, {**values, **changes})
    return words


FORGERIES = [
    (1, {"in_base": 250}, {Error.RANGE}), (1, {"out_base": 250}, {Error.RANGE}), (1, {"tiles": 0}, {Error.HEADER}),
    (1, {"rows": 1}, {Error.HEADER}), (2, {"rows": 60000}, {Error.HEADER}), (2, {"kind": 9}, {Error.HEADER}),
    (2, {"in_base": 65535}, {Error.RANGE}), (2, {"out_stride": 300}, {Error.RANGE}),
    (2, {"tiles": 60000}, {Error.ENDED}),
    (2, {"kernel_row_words": 30}, {Error.RANGE}), (2, {"out_width": 60000}, {Error.RANGE}),
    (3, {"pixel_words": 500}, {Error.RANGE}), (3, {"in_stride": 300}, {Error.RANGE}),
    (4, {"out_base": 255}, {Error.RANGE}), (0, {"in_base": 250}, {Error.RANGE}), (0, {"slots": 0}, {Error.PROGRAM}),
    (0, {"out_words": 60000}, {Error.RESULTS}), (0, {"version": 9}, {Error.PROGRAM}),
    (3, {"last": 1}, {Error.ENDED}), (4, {"last": 0}, {Error.ENDED, Error.HEADER}),
]


@pytest.mark.parametrize(("number", "changes", "errors"), FORGERIES, ids=lambda value: str(value)[:40])
def test_sizes_beyond_buffers_are_found_though_the_check_fits(bench, number, changes, errors):
    words = forged(bench, number, **changes)
    bench.connect(words)
    bench.start(words)
    bench.assert_error(bench.finish(), errors, str(changes))
    bench.connect(bench.words)
    bench.assert_right(str(changes))


def test_a_program_of_another_length_is_refused(bench):
    for seed in range(POINTS // 4):
        length = int(np.random.default_rng(seed).integers(1, len(bench.words)))
        bench.start(length=length)
        bench.assert_error(bench.finish(), {Error.ENDED}, f"{length} words")
        bench.assert_right(f"{length} words")
    longer = np.concatenate([bench.words, np.zeros(3, np.uint64)])
    bench.connect(longer)
    bench.start(longer)
    bench.assert_error(bench.finish(), {Error.ENDED}, "three words more")
    bench.connect(bench.words)


@pytest.mark.parametrize(("options", "error"), [
    ({"program": PROGRAM + 4}, Error.START), ({"images": IMAGES + 1}, Error.START),
    ({"results": RESULTS + 2}, Error.START), ({"count": 0}, Error.START), ({"length": 0}, Error.START),
    ({"room": COUNT * 3 - 1}, Error.RESULTS), ({"room": 0}, Error.RESULTS),
])
def test_a_start_that_makes_no_sense_is_refused(bench, options, error):
    bench.start(**options)
    bench.assert_error(bench.finish(), {error}, str(options))
    bench.assert_right(str(options))


def test_a_start_while_busy_changes_nothing(bench, cycles):
    for seed in range(POINTS // 6):
        rng = np.random.default_rng(seed)
        bench.results[...] = 0
        bench.start()
        bench.core.run(int(rng.integers(1, cycles - 60)), until_irq=False)
        bench.core.write(OFFSETS["CONTROL"], START)
        assert not bench.finish() & FAILED, f"seed {seed}"
        assert np.array_equal(unpack_scores(bench.results, 5), bench.expected), f"seed {seed}"


def test_reads_outside_memory_are_answered_with_an_error_and_end_the_run(bench):
    bench.core.allow_outside()
    bench.start(images=0x7000_0000)
    bench.assert_error(bench.finish(), {Error.READ}, "images")
    bench.start(results=0x7000_0000)
    bench.assert_error(bench.finish(), {Error.WRITE}, "results")
    bench.core.allow_outside(False)
    bench.assert_right("outside")


def test_the_model_tells_of_writes_outside_the_results(bench):
    bench.start(results=PROGRAM)
    with pytest.raises(BackendError, match="did something wrong"):
        bench.finish()
    bench.core.reset()
    bench.core.write(OFFSETS["INTERRUPT"], 1)
    bench.assert_right("behind a violation")
