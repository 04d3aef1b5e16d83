"""bnn_lane: random writes, reads, gathering and planes in every cycle against a model with the documented delays."""

import cocotb
from hw.bench import Bench
from hw.clocked import Dut
from hw.latencies import LANE_ACT, LANE_WORD

BENCH = Bench("bnn_lane", {
    "whole": {"LANE": 2, "PE": 32, "SIMD": 64, "BUFFER_DEPTH": 64},
    "bytes": {"LANE": 0, "PE": 8, "SIMD": 16, "BUFFER_DEPTH": 64},
    "words": {"LANE": 7, "PE": 64, "SIMD": 32, "BUFFER_DEPTH": 128}})
SEL_BUFFER, SEL_PLANE, SEL_ZERO, SEL_ONES, SEL_MASK = range(5)
ALL = (1 << 64) - 1


def test_bnn_lane(simulate):
    simulate(BENCH)


class Lane:
    """What the lane holds, and the inputs of the last cycles, newest last."""

    def __init__(self, parameters, mask, pad):
        self.parameters, self.mask, self.padding = parameters, mask, [128 * pad] * 64
        self.memory = {}
        self.inputs, self.asked, self.words, self.acts, self.used = [], [], [], [], []
        self.gathered = self.current = None

    def outputs(self, inputs):
        """word_o and the whole act word in this cycle; None where that is not settled yet."""
        self.inputs.append(inputs)
        self.asked.append(self.memory.get(inputs["addr_i"]))
        self.words.append(self._past(self.asked, LANE_WORD))
        self.acts.append(self._act())
        self.used.append(self.current)
        return self.words[-1], self.acts[-1]

    @staticmethod
    def _past(values, cycles):
        return values[-1 - cycles] if len(values) > cycles else None

    def _act(self):
        choice, window = self._past(self.inputs, LANE_ACT - 2), self._past([*self.used, None], 1)
        if choice is None:
            return None
        if choice["sel_i"] == SEL_PLANE:
            return window and sum((byte >> 7 - choice["plane_i"] & 1) << n for n, byte in enumerate(window))
        buffered = self._past(self.words, 1)
        return {SEL_BUFFER: buffered, SEL_ONES: ALL, SEL_MASK: self.mask, SEL_ZERO: 0}[choice["sel_i"]]

    def clock(self):
        """The end of the cycle: the window and the memory move on."""
        inputs, before = self.inputs[-1], self._past(self.inputs, 1)
        rotate, word = self._past(self.inputs, 2), self._past(self.words, 1)
        if before is not None and before["swap_i"]:
            self.current, self.gathered = self.gathered, list(self.padding)
        elif self.gathered is not None and inputs["take_i"] and rotate is not None and word is not None:
            for place in range(64):
                if inputs["take_i"] >> place & 1:
                    self.gathered[place] = word >> 8 * ((place - rotate["rotate_i"]) % 8) & 0xFF
        if before is not None:
            self._write(before, inputs["bits_i"])

    def _write(self, inputs, bits):
        write, load, pe = inputs["write_i"], inputs["load_i"], self.parameters.PE
        if write["valid"] and write["copy"]:
            self.memory[write["addr"]] = self.acts[-1]
        elif write["valid"]:
            old = 0 if write["part"] == 0 else self.memory[write["addr"]]
            place = pe * write["part"]
            self.memory[write["addr"]] = old & ~((1 << pe) - 1 << place) | bits << place
        elif load["valid"] and load["lane"] == self.parameters.LANE:
            self.memory[load["addr"]] = load["data"]


def random_inputs(rng, parameters, cycle):
    """Inputs of a cycle; the first ones fill the memory and empty the window."""
    depth, pe = parameters.BUFFER_DEPTH, parameters.PE
    filling = cycle < depth
    part = rng.randrange(64 // pe)
    copy = rng.random() < 0.3
    return {"addr_i": rng.randrange(depth), "rotate_i": rng.randrange(8),
            "take_i": 0 if filling else rng.choice([0, 0, rng.getrandbits(64)]),
            "swap_i": filling or rng.random() < 0.1, "sel_i": rng.randrange(5), "plane_i": rng.randrange(8),
            "part_i": rng.randrange(64 // parameters.SIMD), "bits_i": rng.getrandbits(pe),
            "write_i": {"valid": not filling and rng.random() < 0.5, "copy": copy,
                        "addr": rng.randrange(depth), "part": part},
            "load_i": {"valid": filling or rng.random() < 0.7, "lane": parameters.LANE if filling else rng.randrange(8),
                       "addr": cycle if filling else rng.randrange(depth), "data": rng.getrandbits(64)}}


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances), seed=range(3))
async def words_windows_and_writes_follow_the_model(top, instance, seed):
    dut = Dut(top, BENCH, instance, seed)
    simd, pad = dut.parameters.SIMD, seed % 2
    mask = (1 << dut.random.randint(1, 64)) - 1
    model = Lane(dut.parameters, mask, pad)
    dut.set(mask_i=mask, pad_i=pad)
    for cycle in range(1200):
        inputs = random_inputs(dut.random, dut.parameters, cycle)
        if inputs["write_i"]["valid"] and inputs["write_i"]["copy"] and simd != 64:
            inputs["write_i"]["copy"] = 0  # then act_o shows only a part of what would be copied
        dut.set(**inputs)
        word, act = model.outputs(inputs)
        await dut.settle()
        if cycle > dut.parameters.BUFFER_DEPTH + LANE_ACT:
            assert dut.get("word_o") == word, f"seed {seed}, cycle {cycle}"
            part = model.inputs[-2]["part_i"]
            assert dut.get("act_o") == act >> simd * part & (1 << simd) - 1, f"seed {seed}, cycle {cycle}"
        model.clock()
        await dut.cycle()
