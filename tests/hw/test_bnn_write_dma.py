"""bnn_write_dma: words of a queue that fills unevenly reach a random memory, each once and at its place."""

import cocotb
from hw.axi import WriteMemory, bursts
from hw.bench import Bench
from hw.clocked import STALLS, Dut, Watch

BENCH = Bench("bnn_write_dma", {"eight": {"OUTSTANDING": 8}, "one": {"OUTSTANDING": 1}})
RESULTS = 0x3000_0FC8
QUEUE = 64


def test_bnn_write_dma(simulate):
    simulate(BENCH)


class Queue:
    """The queue of bnn_output: words come in now and then."""

    def __init__(self, dut, words, stall):
        self.dut, self.left, self.stall = dut, list(words)[::-1], stall
        self.words = []
        dut.agents.append(self)

    def drive(self):
        if self.words:
            self.dut.set(data_i=self.words[0])
        else:
            self.dut.scramble("data_i")
        self.dut.set(valid_i=bool(self.words), used_i=len(self.words))

    def observe(self):
        if self.dut.get("ready_o"):
            assert self.words, "a word was taken from an empty queue"
            self.words.pop(0)
        if self.left and len(self.words) < QUEUE and self.dut.random.random() >= self.stall:
            self.words.append(self.left.pop())


def prepare(top, instance, seed, stalls="none", words=400, latency=0):
    dut = Dut(top, BENCH, instance, seed)
    stall_in, stall_out = STALLS[stalls]
    memory = WriteMemory(dut, stall_out, latency)
    words = [dut.random.getrandbits(64) for _ in range(words)]
    queue = Queue(dut, words, stall_in)
    return dut, memory, queue, words


async def start(dut, address, words):
    dut.set(start_i=1, addr_i=address, words_i=words)
    await dut.cycle()
    dut.set(start_i=0)


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances), stalls=list(STALLS), seed=[1, 2])
async def every_word_is_written_once_at_its_place(top, instance, stalls, seed):
    dut, memory, _, words = prepare(top, instance, seed, stalls, latency=20 if seed == 1 else 0)
    await dut.reset()
    await dut.settle()
    assert (dut.get("done_o"), dut.get("idle_o")) == (1, 1)
    address, expected, cuts = RESULTS, {}, []
    while len(expected) < 300:
        count = dut.random.randint(1, 99)
        await start(dut, address, count)
        expected.update((address + 8 * n, words[len(expected)]) for n in range(count))
        cuts += bursts(address, count)
        await dut.until(lambda: dut.get("done_o") == 1)
        assert memory.under_way <= dut.parameters.OUTSTANDING
        address += 8 * (count + dut.random.randint(0, 5))
    await dut.until(lambda: dut.get("idle_o") == 1)
    assert memory.words == expected, f"seed {seed}"
    assert memory.address.bursts == cuts, f"seed {seed}"
    assert memory.under_way == 0


@cocotb.test()
async def nothing_is_announced_before_its_words_are_there(top):
    dut, memory, queue, words = prepare(top, "eight", 3, words=15)
    await dut.reset()
    await start(dut, 0x3000_0000, 40)
    await dut.cycle(60)
    assert not memory.address.bursts
    queue.left.append(7)
    await dut.until(lambda: memory.answered == 1)
    assert list(memory.words.values()) == [*words, 7]
    assert dut.get("done_o") == 0


@cocotb.test()
@cocotb.parametrize(seed=range(8))
async def a_stop_leaves_no_burst_half_done_and_begins_no_other(top, seed):
    dut, memory, _, words = prepare(top, "eight", seed, "both", latency=25)
    await dut.reset()
    await start(dut, RESULTS, 300)
    await dut.cycle(dut.random.randint(1, 250))
    dut.set(stop_i=1)
    await dut.settle()
    announced = len(memory.address.bursts) + dut.get("m_awvalid_o")
    await dut.until(lambda: dut.get("idle_o") == 1)
    assert (memory.under_way, len(memory.whole), memory.data) == (0, announced, []), f"seed {seed}"
    await dut.cycle(100)
    assert len(memory.address.bursts) == announced, f"seed {seed}"
    assert list(memory.words.values()) == words[:len(memory.words)], f"seed {seed}"


@cocotb.test()
async def only_an_error_response_is_an_error(top):
    dut, memory, _, _ = prepare(top, "eight", 5, "both")
    errors = Watch(dut, "error_o")
    await dut.reset()
    await start(dut, 0x3000_0000, 160)
    await dut.until(lambda: dut.get("idle_o") and dut.get("done_o"))
    await dut.cycle(2)
    assert not any(error for (error,) in errors.values)
    memory.bad = {13}  # responses are counted from 0, ten were before
    await start(dut, 0x3000_1000, 160)
    await dut.until(lambda: dut.get("idle_o") and dut.get("done_o"))
    await dut.cycle(2)
    assert sum(error for (error,) in errors.values) == 1
