"""bnn_dot, and under it bnn_xnor_count, bnn_compress and bnn_sum: popcounts, sums and signs, cycle by cycle."""

import cocotb
from hw.bench import Bench
from hw.clocked import Dut
from hw.latencies import DOT_ADD, DOT_BIT

BENCH = Bench("bnn_dot", {"simd64": {"SIMD": 64, "ACC_WIDTH": 20}, "simd32": {"SIMD": 32, "ACC_WIDTH": 12},
                          "simd16": {"SIMD": 16, "ACC_WIDTH": 24}})


def test_bnn_dot(simulate):
    simulate(BENCH)


def biased_word(rng, bits):
    """A word that is rarely even: mostly ones, mostly zeros, or anything."""
    share = rng.choice([0.0, 0.05, 0.5, 0.95, 1.0])
    return sum((rng.random() < share) << n for n in range(bits))


class Sum:
    """The accumulator and its pooled bit, at the level of the documented formula."""

    def __init__(self, width):
        self.width, self.acc, self.bit = width, 0, 0

    def add(self, control, count):
        base = control["start_i"] if control["first_i"] else 2 * self.acc + control["carry_i"] if control["twice_i"] \
            else self.acc
        self.acc = (base + count) % (1 << self.width)

    def pool(self, control):
        reached = self.acc < 1 << self.width - 1
        before = 0 if control["pool_first_i"] else self.bit ^ control["invert_i"]
        self.bit = (before or reached) ^ control["invert_i"]


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances), seed=[1, 2])
async def sums_and_bits_follow_the_formula(top, instance, seed):
    dut = Dut(top, BENCH, instance, seed)
    rng, simd, width = dut.random, dut.parameters.SIMD, dut.parameters.ACC_WIDTH
    model, counts, bits = Sum(width), [], []
    invert = 0
    for cycle in range(1500):
        act, weight = biased_word(rng, simd), biased_word(rng, simd)
        first = cycle <= DOT_ADD or rng.random() < 0.15
        control = {"start_i": rng.choice([rng.getrandbits(width), (1 << width) - rng.randint(1, 3 * simd)]),
                   "valid_i": cycle <= DOT_ADD or rng.random() < 0.8, "first_i": first,
                   "twice_i": rng.random() < 0.3, "carry_i": rng.randint(0, 1)}
        pool = {"pool_first_i": cycle <= DOT_BIT or rng.random() < 0.3, "invert_i": invert}
        last = cycle <= DOT_BIT or rng.random() < 0.5
        if pool["pool_first_i"] and last:  # a channel's invert does not change within a pool window
            invert = pool["invert_i"] = rng.randint(0, 1)
        dut.set(act_i=act, weight_i=weight, last_i=last, **control, **pool)
        counts.append(simd - bin(act ^ weight).count("1"))
        if last:
            model.pool(pool)  # the sum as it was before this cycle's word
        bits.append(model.bit)
        if control["valid_i"] and cycle >= DOT_ADD:
            model.add(control, counts[cycle - DOT_ADD])
        await dut.cycle()
        if cycle > 2 * DOT_BIT:
            assert dut.get("bit_o") == bits[cycle], f"seed {seed}, cycle {cycle}"


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances))
async def every_count_of_equal_bits_is_told_exactly(top, instance):
    dut = Dut(top, BENCH, instance)
    simd, width = dut.parameters.SIMD, dut.parameters.ACC_WIDTH
    for count in range(simd + 1):
        places = dut.random.sample(range(simd), count)
        act = dut.random.getrandbits(simd)
        weight = act ^ (1 << simd) - 1 ^ sum(1 << place for place in places)
        for start in (-count, -count - 1):
            dut.set(act_i=act, weight_i=weight, start_i=start % (1 << width), valid_i=1, first_i=1, last_i=1,
                    pool_first_i=1, invert_i=0)
            await dut.cycle(DOT_BIT + 1)
            assert dut.get("bit_o") == (start + count >= 0), f"{count} equal bits, start {start}"


@cocotb.test()
async def a_result_comes_as_late_as_documented(top):
    dut = Dut(top, BENCH, "simd64")
    control = {"start_i": -64 % (1 << 20), "valid_i": 1, "first_i": 1, "pool_first_i": 1}
    dut.set(act_i=0, weight_i=0, last_i=1, **control)
    await dut.cycle(20)
    assert dut.get("bit_o") == 1
    for cycle in range(12):  # a single word that falls short, in cycle 0
        dut.set(weight_i=cycle == 0)
        await dut.cycle()
        assert dut.get("bit_o") == (cycle + 1 != DOT_BIT), f"cycle {cycle}"
