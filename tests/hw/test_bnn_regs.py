"""bnn_regs: AXI4-Lite with addresses and data in any order, strobes, masters that take their answers late."""

import cocotb
from hw.bench import Bench
from hw.clocked import Dut, Watch

from pynq_bnn.program.config import Config
from pynq_bnn.program.fields import IDENTITY, REGISTERS, VERSION

CONFIGS = {"usual": Config(), "odd": Config(lanes=3, pe=8, simd=16, ring_depth=8, buffer_depth=8192, acc_width=12)}
BENCH = Bench("bnn_regs", {name: config.parameters for name, config in CONFIGS.items()})
OFFSETS = {register.name: register.offset for register in REGISTERS}
STORED = {name: f"{port}_o" for name, port in {
    "PROGRAM_ADDRESS": "program_addr", "PROGRAM_WORDS": "program_words", "IMAGE_ADDRESS": "image_addr",
    "IMAGE_COUNT": "image_count", "RESULT_ADDRESS": "result_addr", "RESULT_WORDS": "result_words",
    "INTERRUPT": "interrupt_enable"}.items()}
INPUTS = {name: f"{name.lower()}_i" for name in
          ("STATUS", "CYCLES", "STEPS", "WAIT_PARAMETERS", "WAIT_IMAGES", "WAIT_RESULTS")}


def test_bnn_regs(simulate):
    simulate(BENCH)


class Channel:
    """A valid/ready channel that the master drives: an offer waits some cycles, then stays until it is taken."""

    def __init__(self, dut, name):
        self.dut, self.name, self.wait, self.offered, self.done = dut, name, 0, False, True
        dut.agents.append(self)

    def offer(self, wait, **values):
        self.wait, self.values, self.done = wait, values, False

    def drive(self):
        self.offered = not self.done and self.wait <= 0
        self.wait -= 1
        self.dut.set(**{f"s_{self.name}valid_i": self.offered})
        if self.offered:
            self.dut.set(**self.values)

    def observe(self):
        if self.offered and self.dut.get(f"s_{self.name}ready_o"):
            self.done = True


class Answer:
    """A channel that the slave drives; its answers stay as they are until they are taken."""

    def __init__(self, dut, name, *data):
        self.dut, self.name, self.data, self.stall = dut, name, data, 0.0
        self.taken, self.waiting = [], None
        dut.agents.append(self)

    def drive(self):
        self.ready = self.dut.random.random() >= self.stall
        self.dut.set(**{f"s_{self.name}ready_i": self.ready})

    def observe(self):
        valid = self.dut.get(f"s_{self.name}valid_o")
        answer = tuple(self.dut.get(name) for name in self.data) if valid else None
        assert self.waiting in (None, answer), "an answer changed or fell before it was taken"
        self.waiting = None if self.ready else answer
        if valid and self.ready:
            self.taken.append(answer)


class Master:
    """Writes and reads registers."""

    def __init__(self, dut, stall=0.0):
        self.dut = dut
        self.aw, self.w, self.ar = (Channel(dut, name) for name in ("aw", "w", "ar"))
        self.b, self.r = Answer(dut, "b", "s_bresp_o"), Answer(dut, "r", "s_rresp_o", "s_rdata_o")
        self.b.stall = self.r.stall = stall

    async def write(self, offset, value, strobes=15, waits=(0, 0)):
        before = len(self.b.taken)
        self.aw.offer(waits[0], s_awaddr_i=offset)
        self.w.offer(waits[1], s_wdata_i=value, s_wstrb_i=strobes)
        await self.dut.until(lambda: len(self.b.taken) > before, 200)
        assert self.aw.done
        assert self.w.done
        assert self.b.taken[-1] == (0,)

    async def read(self, offset, wait=0):
        before = len(self.r.taken)
        self.ar.offer(wait, s_araddr_i=offset)
        await self.dut.until(lambda: len(self.r.taken) > before, 200)
        assert self.r.taken[-1][0] == 0
        return self.r.taken[-1][1]


def merged(old, new, strobes):
    mask = sum(0xFF << 8 * n for n in range(4) if strobes >> n & 1)
    return old & ~mask | new & mask


async def prepare(top, instance="usual", seed=0, stall=0.0):
    dut = Dut(top, BENCH, instance, seed)
    master = Master(dut, stall)
    await dut.reset()
    return dut, master


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances))
async def constants_tell_what_was_built(top, instance):
    dut, master = await prepare(top, instance)
    config = CONFIGS[instance]
    assert await master.read(OFFSETS["ID"]) == IDENTITY
    assert await master.read(OFFSETS["VERSION"]) == VERSION
    sizes = {"ARRAY": (("LANES", config.lanes), ("PE", config.pe), ("SIMD", config.simd),
                       ("ACC_WIDTH", config.acc_width)),
             "MEMORY": (("BUFFER_DEPTH", config.buffer_depth), ("RING_DEPTH", config.ring_depth))}
    for register in REGISTERS:
        if register.name in sizes:
            places = {name: (shift, bits) for name, shift, bits in register.bits}
            value = await master.read(register.offset)
            for name, size in sizes[register.name]:
                shift, bits = places[name]
                assert value >> shift & (1 << bits) - 1 == size, name


@cocotb.test()
@cocotb.parametrize(order=["together", "address_first", "data_first", "any"], stall=[0.0, 0.7], seed=[1, 2])
async def registers_keep_what_was_written(top, order, stall, seed):
    dut, master = await prepare(top, "usual", f"{order} {seed}", stall)
    rng, model = dut.random, dict.fromkeys(STORED, 0)
    watch, pulses = Watch(dut, "start_o", "reset_o"), [0, 0]
    for _ in range(150):
        late = rng.randint(1, 5)
        waits = {"together": (0, 0), "address_first": (0, late), "data_first": (late, 0),
                 "any": (rng.randint(0, 4), rng.randint(0, 4))}[order]
        name, value, strobes = rng.choice(list(OFFSETS)), rng.getrandbits(32), rng.choice([15, rng.randrange(16)])
        await master.write(OFFSETS[name], value, strobes, waits)
        if name in model:
            model[name] = merged(model[name], value, strobes) & (1 if name == "INTERRUPT" else 0xFFFF_FFFF)
        if name == "CONTROL" and strobes & 1:
            pulses = [count + (value >> bit & 1) for bit, count in enumerate(pulses)]
        other = rng.choice(list(model))
        assert await master.read(OFFSETS[other], rng.randint(0, 3)) == model[other], f"seed {seed}, {other}"
        assert {name: dut.get(port) for name, port in STORED.items()} == model, f"seed {seed}, after {name}"
    await dut.cycle(3)
    assert [sum(values) for values in zip(*watch.values)] == pulses, f"seed {seed}"


@cocotb.test()
async def counters_and_status_are_read_through(top):
    dut, master = await prepare(top, stall=0.3)
    for _ in range(5):
        values = {name: dut.random.getrandbits(32) for name in INPUTS}
        dut.set(**{INPUTS[name]: value for name, value in values.items()})
        for name, value in values.items():
            assert await master.read(OFFSETS[name]) == value, name


@cocotb.test()
async def an_address_without_a_register_reads_zero_and_keeps_nothing(top):
    dut, master = await prepare(top)
    known = set(OFFSETS.values())
    for offset in [*range(0, 0x80, 4), 0x420, 0xFFC]:
        if offset in known:
            continue
        await master.write(offset, 0xFFFF_FFFF)
        assert await master.read(offset) == 0, f"{offset:#x}"
    assert all(dut.get(port) == 0 for port in STORED.values())


@cocotb.test()
async def reads_and_writes_go_on_beside_each_other(top):
    dut, master = await prepare(top, seed=3, stall=0.5)
    for value in range(1, 40):
        master.ar.offer(dut.random.randint(0, 3), s_araddr_i=OFFSETS["IMAGE_COUNT"])
        reads = len(master.r.taken)
        await master.write(OFFSETS["IMAGE_COUNT"], value, waits=(dut.random.randint(0, 3), 0))
        await dut.until(lambda reads=reads: len(master.r.taken) > reads, 200)
        assert master.r.taken[-1][1] in (value - 1, value)


@cocotb.test()
async def an_answer_that_is_not_taken_holds_the_next_one_back(top):
    dut, master = await prepare(top, stall=1.0)
    for value in (1, 2):
        master.aw.offer(0, s_awaddr_i=OFFSETS["IMAGE_COUNT"])
        master.w.offer(0, s_wdata_i=value, s_wstrb_i=15)
        await dut.cycle(20)
    assert (dut.get("s_bvalid_o"), dut.get("image_count_o")) == (1, 1)
    master.b.stall = 0.0
    await dut.cycle(5)
    assert (len(master.b.taken), dut.get("image_count_o")) == (2, 2)
