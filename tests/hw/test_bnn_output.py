"""bnn_output: maps and scores come out of a model of the lanes' memories in the order of the images."""

import cocotb
from hw.bench import Bench
from hw.clocked import STALLS, Dut, Sink
from hw.latencies import READ_OUT
from hw.records import program_words

BENCH = Bench("bnn_output", {"full": {"LANES": 8, "ACC_WIDTH": 20}, "three": {"LANES": 3, "ACC_WIDTH": 24},
                             "single": {"LANES": 1, "ACC_WIDTH": 12}})
SCORES = [1, 2, 3, 10, 16, 17, 33, 64, 65, 130]


def test_bnn_output(simulate):
    simulate(BENCH)


class Lanes:
    """The lanes' memories, (lane, address) → word; other words are random."""

    def __init__(self, dut, memory):
        self.dut, self.memory, self.asked = dut, memory, [None] * READ_OUT
        dut.agents.append(self)

    def drive(self):
        place = self.asked.pop(0)
        if place in self.memory:
            self.dut.set(word_i=self.memory[place])
        else:
            self.dut.scramble("word_i")

    def observe(self):
        fetch = self.dut.fields("fetch_o")
        self.asked.append((self.dut.get("lane_o"), fetch.addr) if fetch.read else None)


def prepare(top, instance, seed, stalls, memory, **program):
    dut = Dut(top, BENCH, instance, seed)
    Lanes(dut, memory)
    sink = Sink(dut, "valid_o", "ready_i", "data_o", STALLS[stalls][1])
    dut.set(program_i=sum(word << 64 * n for n, word in enumerate(program_words(**program))))
    return dut, sink


async def read_group(dut, sink, images, count):
    """Start a group; gives the ``count`` words that came when it is done."""
    sink.items.clear()
    dut.set(start_i=1, images_i=images)
    await dut.cycle()
    dut.set(start_i=0)
    dut.scramble("images_i")
    await dut.until(lambda: dut.get("busy_o") == 0, 20_000)
    await dut.until(lambda: len(sink.items) >= count)
    await dut.cycle(40)
    return sink.items


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances), stalls=["none", "output"], seed=range(3))
async def maps_leave_image_after_image(top, instance, stalls, seed):
    rng = Dut(top, BENCH, instance, f"maps {seed}").random
    lanes, words, base = BENCH.instances[instance]["LANES"], rng.randint(1, 20), rng.randint(0, 999)
    stride = words + rng.randint(0, 3)
    memory, expected, images = {}, [], rng.randint(1, 30)
    for image in range(images):
        for word in range(words):
            value = rng.getrandbits(64)
            memory[image % lanes, base + image // lanes * stride + word] = value
            expected.append(value)
    dut, sink = prepare(top, instance, seed, stalls, memory, out_base=base, out_stride=stride, out_words=words)
    await dut.reset()
    for group in (images, 1, images - images // 2):
        assert await read_group(dut, sink, group, group * words) == expected[:group * words], f"seed {seed}"


def place_scores(rng, lanes, width, classes, images, base, stride):
    """Random accumulators, and the memories that hold them as bit planes, most significant first."""
    memory, sums = {}, []
    for image in range(images):
        values = [rng.choice([rng.randint(-1 << width - 1, (1 << width - 1) - 1), -1, 0]) for _ in range(classes)]
        for first in range(0, classes, 64):
            for plane in range(width):
                word = rng.getrandbits(64)
                for n, value in enumerate(values[first:first + 64]):
                    bit = value >> width - 1 - plane & 1
                    word = word & ~(1 << n) | bit << n
                memory[image % lanes, base + image // lanes * stride + first // 64 * width + plane] = word
        sums.append(values)
    return memory, sums


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances), classes=SCORES, stalls=["none", "output"])
async def scores_leave_in_pairs(top, instance, classes, stalls):
    rng = Dut(top, BENCH, instance, f"scores {classes}").random
    lanes, width = BENCH.instances[instance]["LANES"], BENCH.instances[instance]["ACC_WIDTH"]
    images, base, stride = rng.randint(1, 2 * lanes + 1), rng.randint(0, 999), -(-classes // 64) * width
    memory, sums = place_scores(rng, lanes, width, classes, images, base, stride)
    halved = rng.randint(0, 1)
    odd = halved and rng.randint(0, 1)
    expected = []
    for values in sums:
        scores = [2 * value + odd if halved else value for value in values] + [0] * (classes % 2)
        expected += [(low & 0xFFFF_FFFF) | (high & 0xFFFF_FFFF) << 32 for low, high in zip(scores[::2], scores[1::2])]
    dut, sink = prepare(top, instance, classes, stalls, memory, out_base=base, out_stride=stride, scores=1,
                        classes=classes, out_words=-(-classes // 2), halved=halved, odd=odd)
    await dut.reset()
    for _ in range(2):
        found = await read_group(dut, sink, images, len(expected))
        assert found == expected, f"{classes} classes, {images} images, halved {halved}, odd {odd}"


@cocotb.test()
async def a_full_queue_holds_the_reading(top):
    memory = {(n % 8, n // 8): n for n in range(400)}
    dut, sink = prepare(top, "full", 1, "none", memory, out_base=0, out_stride=1, out_words=1)
    sink.stall = 1.0
    await dut.reset()
    dut.set(start_i=1, images_i=400)
    await dut.cycle()
    dut.set(start_i=0)
    await dut.cycle(300)
    assert 48 <= dut.get("used_o") <= 64  # room for three bursts at least
    sink.stall = 0.0
    await dut.until(lambda: len(sink.items) == 400)
    assert sink.items == list(range(400))


@cocotb.test()
async def a_reset_in_the_middle_leaves_nothing_behind(top):
    memory = {(n % 8, n // 8): n for n in range(400)}
    dut, sink = prepare(top, "full", 2, "output", memory, out_base=0, out_stride=1, out_words=1)
    for cycles in (1, 3, 7, 40, 100):
        await dut.reset()
        dut.set(start_i=1, images_i=400)
        await dut.cycle()
        dut.set(start_i=0)
        await dut.cycle(cycles)
        sink.waiting = None
        await dut.reset()
        assert await read_group(dut, sink, 20, 20) == list(range(20)), f"reset after {cycles} cycles"
