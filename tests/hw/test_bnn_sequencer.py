"""bnn_sequencer between neighbours that answer late: what it asks of them, and in which order."""

import cocotb
from hw.bench import Bench
from hw.clocked import STALLS, Dut, Source
from hw.latencies import DRAIN
from hw.records import layer_words, program_words

from pynq_bnn.program.fields import LAYER_RECORD

BENCH = Bench("bnn_sequencer", {"it": {}})
RESULTS = 0x3000_0008


def test_bnn_sequencer(simulate):
    simulate(BENCH)


class Neighbours:
    """Loader, walkers, output and write DMA: each answers after a random time; keeps what was asked."""

    def __init__(self, dut, groups, delay):
        self.dut, self.groups, self.delay = dut, groups, delay
        self.events, self.timers = [], {}
        self.group, self.began, self.last_done = -1, False, -DRAIN
        dut.agents.append(self)

    def _later(self, what):
        self.timers[what] = self.dut.random.randint(1, self.delay)

    def drive(self):
        expired = [what for what, left in self.timers.items() if left == 0]
        for what in expired:
            del self.timers[what]
        self.timers = {what: left - 1 for what, left in self.timers.items()}
        self.dut.set(layer_done_i="layer" in expired, output_busy_i="output" in self.timers,
                     write_done_i="write" not in self.timers, write_idle_i="answers" not in self.timers)
        if "layer" in expired:
            self.last_done = self.dut.cycles
        self.loaded = self.began and "load" not in self.timers and self.group < len(self.groups)
        self.dut.set(loaded_i=self.loaded)
        if self.loaded:
            slots, images = self.groups[self.group]
            self.dut.set(slots_i=slots, images_i=images, final_i=self.group == len(self.groups) - 1)
        else:
            for name in ("slots_i", "images_i", "final_i"):
                self.dut.scramble(name)

    def observe(self):
        get = self.dut.get
        if get("load_start_o"):
            self.events.append(("load",))
            self.began, self.group = True, 0
            self._later("load")
        if get("take_o"):
            assert self.loaded
            self.events.append(("take", self.group))
            self.group += 1
            self._later("load")
        if get("layer_start_o"):
            assert self.dut.cycles - self.last_done >= DRAIN, "a layer began before the last one had run dry"
            self.events.append(("layer", get("layer_o"), get("slots_o")))
            self._later("layer")
        if get("free_o"):
            assert self.dut.cycles - self.last_done >= DRAIN, "images were freed while they were used"
            self.events.append(("free",))
        if get("output_start_o"):
            assert self.dut.cycles - self.last_done >= DRAIN
            assert "write" not in self.timers, "results came before the last ones were written"
            self.events.append(("output", get("images_o")))
            self._later("output")
        if get("write_start_o"):
            self.events.append(("write", get("write_addr_o"), get("write_words_o")))
            self._later("write")
            self.timers["answers"] = self.timers["write"] + 20
        if get("results_error_o"):
            self.events.append(("error",))
        if get("done_o"):
            assert not self.timers.keys() & {"write", "answers", "output"}, "done before all was written"
            self.events.append(("done",))


def random_layers(rng, count):
    """Headers, as words, and whether each frees the images."""
    frees = rng.randrange(count)
    return [(layer_words(index=n, last=n == count - 1, frees_images=n == frees, kind=rng.randint(1, 4),
                         tiles=rng.randint(1, 99), rows=rng.randint(2, 99), in_height=rng.randint(1, 99)), n == frees)
            for n in range(count)]


def expected_events(layers, groups, out_words):
    yield ("load",)
    address = RESULTS
    for number, (slots, images) in enumerate(groups):
        yield "take", number
        for words, frees in layers:
            yield "layer", sum(word << 64 * n for n, word in enumerate(words)), slots
            if frees:
                yield ("free",)
        yield "output", images
        yield "write", address, images * out_words
        address += 8 * images * out_words
    yield ("done",)


async def prepare(top, seed, stalls, room_less=0):
    dut = Dut(top, BENCH, "it", seed)
    rng = dut.random
    layers = random_layers(rng, rng.randint(1, 6))
    groups = [(rng.randint(1, 9), rng.randint(1, 300)) for _ in range(rng.randint(1, 4))]
    out_words = rng.randint(1, 50)
    stall_in, stall_out = STALLS[stalls]
    Source(dut, "layer_valid_i", "layer_ready_o", "layer_word_i",
           [word for _ in groups for words, _ in layers for word in words], stall_in)
    neighbours = Neighbours(dut, groups, 60 if stall_out else 2)
    program = program_words(out_words=out_words, layers=len(layers))
    dut.set(program_i=sum(word << 64 * n for n, word in enumerate(program)), result_addr_i=RESULTS,
            result_words_i=sum(images for _, images in groups) * out_words - room_less)
    await dut.reset()
    dut.set(start_i=1)
    await dut.cycle()
    dut.set(start_i=0)
    await dut.cycle(rng.randint(0, 30))
    assert not neighbours.events
    dut.set(program_valid_i=1)
    return dut, neighbours, list(expected_events(layers, groups, out_words))


@cocotb.test()
@cocotb.parametrize(stalls=list(STALLS), seed=range(5))
async def groups_layers_and_results_follow_each_other(top, stalls, seed):
    dut, neighbours, expected = await prepare(top, f"{stalls} {seed}", stalls)
    await dut.until(lambda: neighbours.events[-1:] == [("done",)], 20_000)
    assert neighbours.events == expected, f"seed {seed}"
    await dut.cycle(50)
    assert len(neighbours.events) == len(expected), "something was asked for after the end"


@cocotb.test()
@cocotb.parametrize(seed=range(3))
async def results_beyond_their_room_are_an_error_and_are_not_written(top, seed):
    dut, neighbours, expected = await prepare(top, seed, "none", room_less=1)
    await dut.until(lambda: ("error",) in neighbours.events, 20_000)
    assert neighbours.events == [*expected[:-3], ("error",)], f"seed {seed}"


@cocotb.test()
async def what_it_waits_for_is_told(top):
    dut = Dut(top, BENCH, "it")
    waits = ["wait_parameters_o", "wait_images_o", "wait_results_o"]

    async def waiting(**inputs):
        dut.set(**inputs)
        await dut.cycle(3)
        return [dut.get(name) for name in waits]

    assert len(LAYER_RECORD) == 5
    header = layer_words(last=1)
    await dut.reset()
    assert await waiting(write_done_i=0) == [0, 0, 0]
    dut.set(start_i=1)
    await dut.cycle()
    assert await waiting(start_i=0) == [1, 0, 0]
    assert await waiting(program_valid_i=1) == [0, 1, 0]
    assert await waiting(loaded_i=1, images_i=1, slots_i=1, final_i=1, result_words_i=1000) == [1, 0, 0]
    for word in header:
        dut.set(layer_valid_i=1, layer_word_i=word)
        await dut.cycle()
    assert await waiting(layer_valid_i=0) == [0, 0, 0]
    dut.set(layer_done_i=1)
    await dut.cycle()
    dut.set(layer_done_i=0)
    await dut.cycle(DRAIN + 5)
    assert await waiting() == [0, 0, 1]
