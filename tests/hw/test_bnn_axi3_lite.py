"""bnn_axi3_lite: bursts of every kind, stalls on every channel, addresses where nothing lies, resets in the middle."""

import cocotb
from hw.bench import Bench
from hw.clocked import STALLS, Dut

from pynq_bnn.board.hwh import ADDRESS_SIZE, BASE_ADDRESS

BENCH = Bench("bnn_axi3_lite", {"board": {}})
FIXED, INCR, WRAP = range(3)
OKAY, SLAVE_ERROR, DECODE_ERROR = 0, 2, 3
BURST = ("id", "addr", "len", "size", "burst")


def test_bnn_axi3_lite(simulate):
    simulate(BENCH)


class Offers:
    """A channel whose valid the bench drives; an offer stays until it is taken."""

    def __init__(self, dut, prefix, fields, stall):
        self.dut, self.prefix, self.fields, self.stall = dut, prefix, fields, stall
        self.queue, self.offered, self.taken = [], False, 0
        dut.agents.append(self)

    def drive(self):
        if not self.offered and self.queue and self.dut.random.random() >= self.stall:
            self.dut.set(**{f"{self.prefix}{name}_i": value for name, value in zip(self.fields, self.queue[0])})
            self.offered = True
        elif not self.offered:
            for name in self.fields:
                self.dut.scramble(f"{self.prefix}{name}_i")
        self.dut.set(**{f"{self.prefix}valid_i": self.offered})

    def observe(self):
        if self.offered and self.dut.get(f"{self.prefix}ready_o"):
            self.queue.pop(0)
            self.offered = False
            self.taken += 1


class Takes:
    """A channel whose valid the module drives; what it offers stays as it is until it is taken."""

    def __init__(self, dut, prefix, fields, stall):
        self.dut, self.prefix, self.fields, self.stall = dut, prefix, fields, stall
        self.items, self.waiting, self.ready = [], None, False
        dut.agents.append(self)

    def drive(self):
        self.ready = self.dut.random.random() >= self.stall
        self.dut.set(**{f"{self.prefix}ready_i": self.ready})

    def observe(self):
        valid = self.dut.get(f"{self.prefix}valid_o")
        item = tuple(self.dut.get(f"{self.prefix}{name}_o") for name in self.fields) if valid else None
        assert self.waiting in (None, item), f"{self.prefix} changed or fell while waiting"
        self.waiting = None if self.ready else item
        if valid and self.ready:
            self.items.append(item)


class Slave:
    """Answers transfers of AXI4-Lite; words and errors follow from the address."""

    def __init__(self, dut, stalls):
        source, sink = stalls
        self.aw, self.w, self.ar = (Takes(dut, f"m_{name}", fields, sink) for name, fields in
                                    (("aw", ("addr",)), ("w", ("data", "strb")), ("ar", ("addr",))))
        self.b, self.r = (Offers(dut, f"m_{name}", fields, source) for name, fields in
                          (("b", ("resp",)), ("r", ("data", "resp"))))
        self.answered = [0, 0]
        dut.agents.append(self)

    def drive(self):
        pass

    def observe(self):
        if min(len(self.aw.items), len(self.w.items)) > self.answered[0]:
            self.b.queue.append((answer(self.aw.items[self.answered[0]][0]),))
            self.answered[0] += 1
        if len(self.ar.items) > self.answered[1]:
            (address,) = self.ar.items[self.answered[1]]
            self.r.queue.append((word(address), answer(address)))
            self.answered[1] += 1


def word(address):
    return (address + 4) * 0x9E37_79B1 & 0xFFFF_FFFF


def answer(address):
    return SLAVE_ERROR if address % 52 == 0 else OKAY


def beats(address, length, size, burst):
    """The address of each beat, as the AXI specification says it."""
    width = 1 << size
    if burst == FIXED:
        return [address] * (length + 1)
    first = address // width * width
    if burst == INCR:
        return [address] + [first + width * n for n in range(1, length + 1)]
    low = address // (width * (length + 1)) * (width * (length + 1))
    return [low + (first - low + width * n) % (width * (length + 1)) for n in range(length + 1)]


def random_burst(rng):
    """ID, address, length, size and kind; half of them where the registers are."""
    size, burst = rng.choice([0, 1, 2, 2, 2]), rng.choice([FIXED, INCR, INCR, WRAP])
    length = rng.choice([1, 3, 7, 15]) if burst == WRAP else rng.choice([0, 0, rng.randrange(16), 15])
    page = rng.choice([0, 0, 0, 4096, ADDRESS_SIZE - 4096, ADDRESS_SIZE, -4096, rng.randrange(0, 1 << 28, 4096)])
    offset = rng.choice([0, 64, 4096, rng.randrange(4096)])
    offset = min(offset, 4096 - (length + 1 << size))
    if burst == WRAP:
        offset = offset >> size << size
    return rng.getrandbits(12), BASE_ADDRESS + page + offset, length, size, burst


def region(address):
    """Whether the slave is asked, and the answer where it is not."""
    if address // 4096 == BASE_ADDRESS // 4096:
        return True, OKAY
    return False, OKAY if BASE_ADDRESS <= address < BASE_ADDRESS + ADDRESS_SIZE else DECODE_ERROR


class Bus:
    """Both sides of the module, and what they must see."""

    def __init__(self, top, stall, seed):
        self.dut = Dut(top, BENCH, "board", seed)
        source, sink = STALLS[stall]
        self.aw, self.ar = (Offers(self.dut, f"s_{name}", BURST, source) for name in ("aw", "ar"))
        self.w = Offers(self.dut, "s_w", ("data", "strb"), source)
        self.b = Takes(self.dut, "s_b", ("id", "resp"), sink)
        self.r = Takes(self.dut, "s_r", ("id", "data", "resp", "last"), sink)
        self.slave = Slave(self.dut, STALLS[stall])
        self.transfers, self.answers, self.reads, self.data = [], [], [], []

    def write(self, burst):
        tag, address, *shape = burst
        asked, worst = region(address)
        self.aw.queue.append(burst)
        for beat in beats(address, *shape):
            data = self.dut.random.getrandbits(32), self.dut.random.getrandbits(4)
            self.w.queue.append(data)
            if asked:
                self.transfers.append((beat // 4 * 4 % 4096, *data))
                worst |= answer(beat // 4 * 4 % 4096)
        self.answers.append((tag, worst))

    def read(self, burst):
        tag, address, length, *shape = burst
        asked, otherwise = region(address)
        self.ar.queue.append(burst)
        for number, beat in enumerate(beats(address, length, *shape)):
            place = beat // 4 * 4 % 4096
            if asked:
                self.reads.append((place,))
            self.data.append((tag, word(place) if asked else 0, answer(place) if asked else otherwise,
                              int(number == length)))

    def done(self):
        return len(self.b.items) == len(self.answers) and len(self.r.items) == len(self.data)

    def check(self, note):
        got = [(address, *data) for (address,), data in zip(self.slave.aw.items, self.slave.w.items, strict=True)]
        assert got == self.transfers, note
        assert self.b.items == self.answers, note
        assert self.slave.ar.items == self.reads, note
        assert self.r.items == self.data, note


@cocotb.test()
@cocotb.parametrize(stall=list(STALLS), seed=[1, 2])
async def bursts_become_transfers_and_come_back_with_their_ids(top, stall, seed):
    bus = Bus(top, stall, seed)
    await bus.dut.reset()
    for _ in range(80):
        bus.write(random_burst(bus.dut.random))
        bus.read(random_burst(bus.dut.random))
    await bus.dut.until(bus.done, 60_000)
    await bus.dut.cycle(20)
    bus.check(f"{stall}, seed {seed}")


@cocotb.test()
async def a_reset_in_the_middle_leaves_nothing_behind(top):
    for cycles in range(1, 60):
        bus = Bus(top, "both", cycles)
        await bus.dut.reset()
        for _ in range(5):
            bus.write(random_burst(bus.dut.random))
            bus.read(random_burst(bus.dut.random))
        await bus.dut.cycle(cycles)
        fresh = Bus(top, "both", f"again {cycles}")
        fresh.dut.set(rst_ni=0)
        agents, fresh.dut.agents = fresh.dut.agents, []
        await fresh.dut.cycle(1)
        for _ in range(3):
            fresh.dut.set(s_awvalid_i=1, s_wvalid_i=1, s_arvalid_i=1)
            await fresh.dut.cycle(1)
            silent = [name for name in bus.dut.ports if name.endswith(("valid_o", "ready_o")) and name[:2] == "s_"]
            assert [fresh.dut.get(name) for name in silent] == [0] * len(silent)
        fresh.dut.set(rst_ni=1, s_awvalid_i=0, s_wvalid_i=0, s_arvalid_i=0)
        fresh.dut.agents = agents
        fresh.write(random_burst(fresh.dut.random))
        fresh.read(random_burst(fresh.dut.random))
        await fresh.dut.until(fresh.done)
        fresh.check(f"after {cycles} cycles")
