"""bnn_read_dma in front of a random memory: both streams, the rules of AXI, promised room, errors and stops."""

import hashlib
from collections import deque

import cocotb
from hw.axi import ReadMemory, bursts
from hw.bench import Bench
from hw.clocked import STALLS, Dut, Sink, Watch

BENCH = Bench("bnn_read_dma", {"eight": {"OUTSTANDING": 8}, "two": {"OUTSTANDING": 2}})
PROGRAM, IMAGES = 0x1000_0F58, 0x2000_0FC8  # both meet a 4 KB border soon


def test_bnn_read_dma(simulate):
    simulate(BENCH)


def word_at(address: int) -> int:
    return int.from_bytes(hashlib.blake2b(address.to_bytes(8, "little"), digest_size=8).digest(), "little")


class ParameterQueue:
    """Takes words whenever they come, promises only the room it has, gives them away now and then."""

    def __init__(self, dut, capacity, stall):
        self.dut, self.capacity, self.stall = dut, capacity, stall
        self.used, self.words = 0, deque()
        dut.agents.append(self)

    def drive(self):
        self.dut.set(room_i=self.capacity - self.used)

    def observe(self):
        taken = self.used > 0 and self.dut.random.random() >= self.stall
        if self.dut.get("program_valid_o"):
            self.words.append(self.dut.get("program_data_o"))
            self.used += 1
            assert self.used <= self.capacity, f"a word without room in cycle {self.dut.cycles}"
        self.used -= taken


def prepare(top, instance, seed, stalls="none", latency=0):
    dut = Dut(top, BENCH, instance, seed)
    stall_in, stall_out = STALLS[stalls]
    memory = ReadMemory(dut, word_at, stall_in, latency)
    queue = ParameterQueue(dut, 128, stall_out)
    images = Sink(dut, "image_valid_o", "image_ready_i", "image_data_o", stall_out)
    return dut, memory, queue, images


async def start(dut, **values):
    """Pulse program_start_i, image_start_i or both."""
    dut.set(**values)
    await dut.cycle()
    dut.set(program_start_i=0, image_start_i=0)


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances), stalls=list(STALLS), seed=[1, 2])
async def both_streams_come_whole_and_in_order(top, instance, stalls, seed):
    dut, memory, queue, images = prepare(top, instance, seed, stalls, latency=30 if seed == 1 else 0)
    length, stretches = dut.random.randint(1, 90), []
    await dut.reset()
    await start(dut, program_start_i=1, program_addr_i=PROGRAM, program_words_i=length)
    expected = []
    for _ in range(3):
        address, words = IMAGES + 8 * dut.random.randint(0, 40), dut.random.randint(1, 150)
        stretches += bursts(address, words)
        expected += [word_at(address + 8 * n) for n in range(words)]
        await start(dut, image_start_i=1, image_addr_i=address, image_words_i=words)
        while len(images.items) < len(expected):
            await dut.cycle()
    await dut.until(lambda: len(queue.words) >= 3 * length + 20)
    assert images.items == expected, f"seed {seed}"
    assert list(queue.words) == [word_at(PROGRAM + 8 * (n % length)) for n in range(len(queue.words))], f"seed {seed}"
    asked = memory.address.bursts
    assert [burst for burst in asked if burst[0] >= IMAGES] == stretches, f"seed {seed}"
    programs = [burst for burst in asked if burst[0] < IMAGES]
    pass_of_program = bursts(PROGRAM, length)
    assert programs == [pass_of_program[n % len(pass_of_program)] for n in range(len(programs))], f"seed {seed}"
    assert memory.most_under_way <= dut.parameters.OUTSTANDING


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances))
async def images_wait_without_holding_up_the_parameters_asked_for(top, instance):
    dut, memory, queue, images = prepare(top, instance, 3)
    images.stall = 1.0
    await dut.reset()
    await start(dut, program_start_i=1, program_addr_i=PROGRAM, program_words_i=64, image_start_i=1,
                image_addr_i=IMAGES, image_words_i=64)
    await dut.cycle(300)
    assert not images.items
    images.stall = 0.0
    await dut.until(lambda: len(images.items) == 64)
    await dut.until(lambda: len(queue.words) > 200)
    assert memory.most_under_way == dut.parameters.OUTSTANDING


@cocotb.test()
async def a_fast_memory_gives_a_word_almost_every_cycle(top):
    dut, _, queue, _ = prepare(top, "eight", 4, latency=30)
    await dut.reset()
    await start(dut, program_start_i=1, program_addr_i=0x1000_0000, program_words_i=256)
    await dut.until(lambda: len(queue.words) >= 1024)
    assert dut.cycles < 1024 / 0.9 + 60


@cocotb.test()
@cocotb.parametrize(room=[0, 15, 16, 17, 40])
async def no_more_parameters_are_asked_for_than_there_is_room(top, room):
    dut, memory, queue, _ = prepare(top, "eight", 5)
    queue.capacity, queue.stall = room, 1.0
    await dut.reset()
    await start(dut, program_start_i=1, program_addr_i=0x1000_0000, program_words_i=1000)
    await dut.cycle(300)
    assert len(queue.words) == room // 16 * 16
    assert len(memory.address.bursts) == room // 16


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances), seed=range(8))
async def a_stop_lets_bursts_end_and_begins_no_others(top, instance, seed):
    dut, memory, queue, images = prepare(top, instance, seed, "both", latency=20)
    await dut.reset()
    await start(dut, program_start_i=1, program_addr_i=PROGRAM, program_words_i=77, image_start_i=1,
                image_addr_i=IMAGES, image_words_i=500)
    await dut.cycle(dut.random.randint(1, 200))
    dut.set(stop_i=1)
    dut.agents.remove(images)
    await dut.settle()
    waiting = dut.get("m_arvalid_o")
    asked = len(memory.address.bursts)
    await dut.cycle()  # a word that came before may still be in its register
    words = Watch(dut, "program_valid_o", "image_valid_o")
    await dut.until(lambda: dut.get("idle_o") == 1)
    assert not memory.beats, f"seed {seed}: idle with beats to come"
    await dut.cycle(50)
    assert len(memory.address.bursts) == asked + waiting, f"seed {seed}: a burst began after the stop"
    assert set(words.values) == {(0, 0)}, f"seed {seed}: a word after the stop"
    await dut.reset()  # and it starts again as if nothing had been
    dut.set(stop_i=0)
    images, queue.used = Sink(dut, "image_valid_o", "image_ready_i", "image_data_o", 0.4), 0
    queue.words.clear()
    await start(dut, program_start_i=1, program_addr_i=PROGRAM, program_words_i=9, image_start_i=1,
                image_addr_i=IMAGES + 8, image_words_i=20)
    await dut.until(lambda: len(images.items) >= 20 and len(queue.words) >= 30)
    assert images.items == [word_at(IMAGES + 8 + 8 * n) for n in range(20)], f"seed {seed}"
    assert list(queue.words)[:18] == [word_at(PROGRAM + 8 * (n % 9)) for n in range(18)], f"seed {seed}"


@cocotb.test()
@cocotb.parametrize(address=[PROGRAM + 8 * 3, IMAGES + 8 * 30])
async def only_an_error_response_is_an_error(top, address):
    dut, memory, queue, _ = prepare(top, "eight", 6, "both")
    errors = Watch(dut, "error_o")
    await dut.reset()
    for bad in (set(), {address}):
        memory.bad = bad
        await start(dut, program_start_i=1, program_addr_i=PROGRAM, program_words_i=200, image_start_i=1,
                    image_addr_i=IMAGES, image_words_i=60)
        await dut.cycle(400)
        assert any(error for (error,) in errors.values) == bool(bad)
        dut.set(stop_i=1)
        await dut.until(lambda: dut.get("idle_o") == 1)
        await dut.reset()
        dut.set(stop_i=0)
        queue.used = 0
