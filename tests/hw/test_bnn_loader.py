"""bnn_loader: the images of a batch go to the lanes in turn, group after group, each group into free room."""

import cocotb
from hw.bench import Bench
from hw.clocked import STALLS, Dut, Watch
from hw.records import program_words, record

BENCH = Bench("bnn_loader", {"eight": {"LANES": 8, "BUFFER_DEPTH": 4096}, "three": {"LANES": 3, "BUFFER_DEPTH": 1024},
                             "single": {"LANES": 1, "BUFFER_DEPTH": 64}})
IMAGES = 0x2000_0010


def test_bnn_loader(simulate):
    simulate(BENCH)


class Memory:
    """bnn_read_dma's side: words follow a command, each a function of its address."""

    def __init__(self, dut, stall):
        self.dut, self.stall, self.commands, self.words, self.offered = dut, stall, [], [], False
        dut.agents.append(self)

    def drive(self):
        if not self.offered and self.words and self.dut.random.random() >= self.stall:
            self.offered = True
            self.dut.set(data_i=word_at(self.words[0]))
        elif not self.offered:
            self.dut.scramble("data_i")
        self.dut.set(valid_i=self.offered)

    def observe(self):
        if self.offered and self.dut.get("ready_o"):
            self.offered = False
            self.words.pop(0)
        if self.dut.get("dma_start_o"):
            assert not self.words, "a command before the last one's words"
            address, words = self.dut.get("dma_addr_o"), self.dut.get("dma_words_o")
            self.commands.append((self.dut.cycles, address, words))
            self.words = [address + 8 * n for n in range(words)]


class Lanes:
    """What was loaded: (lane, address, data). The write port is not always free."""

    def __init__(self, dut, stall):
        self.dut, self.stall, self.loads, self.waiting, self.ready = dut, stall, [], None, True
        dut.agents.append(self)

    def drive(self):
        self.ready = self.dut.random.random() >= self.stall
        self.dut.set(load_ready_i=self.ready)

    def observe(self):
        load = self.dut.get("load_o")
        fields = record("bnn_types::load_t").unpack(load)
        assert self.waiting in (None, load), "a load changed before it was taken"
        self.waiting = load if fields.valid and not self.ready else None
        if fields.valid and self.ready:
            self.loads.append((fields.lane, fields.addr, fields.data))


def word_at(address):
    return address * 0x9E37_79B9_7F4A_7C15 % (1 << 64)


def prepare(top, instance, seed, stalls, **program):
    dut = Dut(top, BENCH, instance, seed)
    stall_in, stall_out = STALLS[stalls]
    dut.set(program_i=sum(word << 64 * n for n, word in enumerate(program_words(**program))), addr_i=IMAGES)
    return dut, Memory(dut, stall_in), Lanes(dut, stall_out)


async def pulse(dut, name):
    dut.set(**{name: 1})
    await dut.cycle()
    dut.set(**{name: 0})


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances), stalls=list(STALLS), seed=range(3))
async def every_image_reaches_its_lane(top, instance, stalls, seed):
    rng = Dut(top, BENCH, instance, f"{stalls} {seed}").random
    lanes, slots, words = BENCH.instances[instance]["LANES"], rng.randint(1, 3), rng.randint(1, 9)
    base, stride, count = rng.randint(0, 20), words + rng.randint(0, 2), rng.randint(1, 60)
    dut, memory, port = prepare(top, instance, seed, stalls, slots=slots, in_words=words, in_base=base,
                                in_stride=stride)
    watch = Watch(dut, "range_o")
    dut.set(count_i=count)
    await dut.reset()
    await pulse(dut, "start_i")
    first = 0
    while first < count:
        images = min(lanes * slots, count - first)
        await dut.until(lambda: dut.get("loaded_o") == 1)
        expected = [(image % lanes, base + image // lanes * stride + word,
                     word_at(IMAGES + 8 * ((first + image) * words + word)))
                    for image in range(images) for word in range(words)]
        told = f"seed {seed}, {count} images of {words} words, {slots} slots"
        assert port.loads == expected, told
        assert memory.commands[-1][1:] == (IMAGES + 8 * first * words, images * words), told
        first += images
        assert (dut.get("slots_o"), dut.get("images_o"), dut.get("final_o")) == \
            (-(-images // lanes), images, first == count), told
        port.loads.clear()
        commands = len(memory.commands)
        await dut.cycle(rng.randint(0, 20))
        await pulse(dut, "take_i")
        await dut.cycle(rng.randint(0, 20))
        assert len(memory.commands) == commands, f"{told}: loading began before there was room"
        await pulse(dut, "free_i")
    await dut.cycle(60)
    assert dut.get("loaded_o") == 0
    assert sum(command[2] for command in memory.commands) == count * words
    assert not any(out_of_range for (out_of_range,) in watch.values)


@cocotb.test()
async def room_may_be_free_long_before_the_group_is_taken(top):
    dut, memory, _ = prepare(top, "eight", 1, "none", slots=1, in_words=2, in_base=0, in_stride=2)
    dut.set(count_i=16)
    await dut.reset()
    await pulse(dut, "start_i")
    await dut.until(lambda: dut.get("loaded_o") == 1)
    await pulse(dut, "free_i")
    await dut.cycle(30)
    assert len(memory.commands) == 1
    await pulse(dut, "take_i")
    await dut.until(lambda: dut.get("loaded_o") == 1)
    assert len(memory.commands) == 2


@cocotb.test()
@cocotb.parametrize(base=[63, 64, 65000])
async def an_image_beyond_the_buffer_is_told(top, base):
    dut, _, _ = prepare(top, "single", 1, "none", slots=1, in_words=1, in_base=base, in_stride=1)
    watch = Watch(dut, "range_o")
    dut.set(count_i=1)
    await dut.reset()
    await pulse(dut, "start_i")
    await dut.until(lambda: dut.get("loaded_o") == 1)
    await dut.cycle(2)
    assert any(out_of_range for (out_of_range,) in watch.values) == (base >= 64)
