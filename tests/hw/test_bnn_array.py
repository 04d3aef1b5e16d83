"""bnn_array: layers of random ±1 numbers against NumPy's dot products, and bit planes against their weighted sum."""

import cocotb
import numpy as np
from hw.bench import Bench
from hw.clocked import Dut
from hw.latencies import ARRAY_ACT, TILE_GAP, array_bits

from pynq_bnn.program.fields import THRESHOLD_RECORD, pack

BENCH = Bench("bnn_array", {
    "wide": {"LANES": 2, "PE": 16, "SIMD": 64, "RING_DEPTH": 32, "ACC_WIDTH": 20},
    "parts": {"LANES": 1, "PE": 32, "SIMD": 16, "RING_DEPTH": 32, "ACC_WIDTH": 16},
    "group": {"LANES": 2, "PE": 8, "SIMD": 32, "RING_DEPTH": 64, "ACC_WIDTH": 24}})


def test_bnn_array(simulate):
    simulate(BENCH)


class Player:
    """Plays steps, words and ring writes at their cycles, and looks for results."""

    def __init__(self, dut):
        self.dut, self.acts, self.writes, self.wanted = dut, {}, [], {}
        dut.agents.append(self)

    def drive(self):
        act = self.acts.pop(self.dut.cycles, None)
        if act is None:
            self.dut.scramble("act_i")
        else:
            self.dut.set(act_i=act)
        row, pe, word = self.writes.pop(0) if self.writes and self.dut.random.random() < 0.7 else (None, 0, 0)
        self.dut.set(write_i={"valid": row is not None, "row": row or 0, "pe": pe, "data": word})

    def observe(self):
        if self.dut.cycles in self.wanted:
            found, wanted = self.dut.get("bits_o"), self.wanted.pop(self.dut.cycles)
            assert found == wanted, f"bits {found:#x}, not {wanted:#x}, in cycle {self.dut.cycles}"

    async def step(self, words=None, **fields):
        """A step; its words (one for each lane) follow later."""
        if words is not None:
            simd = self.dut.parameters.SIMD
            self.acts[self.dut.cycles + ARRAY_ACT] = sum(word << simd * lane for lane, word in enumerate(words))
        self.dut.set(step_i=fields)
        await self.dut.cycle()
        self.dut.set(step_i={"row": self.dut.random.getrandbits(5), "values": self.dut.random.getrandbits(16)})

    def want(self, bits):
        """Expect ``bits[lane, pe]`` of the step that was played last."""
        lanes, pe = bits.shape
        value = sum(int(bits[lane, p]) << pe * lane + p for lane in range(lanes) for p in range(pe))
        self.wanted[self.dut.cycles - 1 + array_bits(pe)] = value

    async def store(self, rows):
        """Fill ring rows, {row: words of all PEs}, in any order of time."""
        self.writes += [(row, pe, word) for row, words in rows.items() for pe, word in enumerate(words)]
        while self.writes:
            await self.dut.cycle()
        await self.dut.cycle(array_bits(self.dut.parameters.PE))


def thresholds(starts, carries, inverts):
    """Ring words of a threshold row."""
    return [pack(THRESHOLD_RECORD, {"start": int(start) & 0xFFFF_FFFF, "carries": int(carry), "invert": int(invert)})[0]
            for start, carry, invert in zip(starts, carries, inverts)]


def words_of(bits):
    """(…, words, 64) bits as integers."""
    return np.packbits(bits.astype(np.uint8), axis=-1, bitorder="little").view("<u8")[..., 0]


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances), seed=range(4))
async def windows_of_plus_and_minus_one_against_thresholds(top, instance, seed):
    """bit = invert ⊕ OR over the pool window of (Σ w·x ≥ T), with padding channels that count nothing."""
    dut = Dut(top, BENCH, instance, seed)
    rng = np.random.default_rng(seed)
    lanes, pe, simd, depth = (getattr(dut.parameters, name) for name in ("LANES", "PE", "SIMD", "RING_DEPTH"))
    player, base = Player(dut), 0
    for _ in range(4):
        words, channels, pool = int(rng.integers(1, 9)), int(rng.integers(1, 65)), int(rng.integers(1, 5))
        weights = rng.integers(0, 2, (pe, words, 64))
        weights[..., channels:] = 1  # padding: weights 1, activations 0
        limit = words * channels
        levels, inverts = rng.integers(-limit, limit + 2, pe), rng.integers(0, 2, pe)
        levels[:pe // 2] = rng.integers(-4, 5, pe // 2)  # near ties
        rows = {(base + 1 + n) % depth: [int(word) for word in words_of(weights[:, n])] for n in range(words)}
        await player.store({base: thresholds(-levels, [0] * pe, inverts), **rows})
        await player.step(valid=0, thresholds=1, row=base)
        for _pool in range(3):
            reached = np.zeros((lanes, pe), bool)
            for position in range(pool):
                maps = rng.integers(0, 2, (lanes, words, 64))
                maps[..., channels:] = 0
                signed = np.where(maps, 1, -1)[..., :channels].reshape(lanes, -1)
                sums = signed @ np.where(weights, 1, -1)[..., :channels].reshape(pe, -1).T
                reached |= sums >= levels
                values = words_of(maps)
                for n in range(words):
                    for part in range(64 // simd):
                        await player.step([int(value) >> simd * part & (1 << simd) - 1 for value in values[:, n]],
                                          valid=1, row=(base + 1 + n) % depth, part=part, first=(n, part) == (0, 0),
                                          last=(n, part) == (words - 1, 64 // simd - 1), pool_first=position == 0,
                                          values=limit)
            player.want(reached ^ inverts.astype(bool))
        await dut.cycle(TILE_GAP - 1)
        base = (base + 1 + words) % depth
    await dut.cycle(array_bits(pe) + 1)
    assert not player.wanted, f"seed {seed}"


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances), seed=range(3))
async def bit_planes_are_weighted_by_doubling(top, instance, seed):
    """bit = start + Σ 2^(7−plane)·popcount ≥ 0; the start's low seven bits come in by the carries."""
    dut = Dut(top, BENCH, instance, seed)
    rng = np.random.default_rng(seed)
    lanes, pe, simd = (getattr(dut.parameters, name) for name in ("LANES", "PE", "SIMD"))
    player = Player(dut)
    weights = rng.integers(0, 2, (pe, 1, 64))
    starts = -rng.integers(0, 255 * 64, pe)
    starts[:pe // 2] = -rng.integers(255 * 30, 255 * 34, pe // 2)
    await player.store({3: thresholds(2 * (starts >> 7), starts & 127, [0] * pe),
                        4: [int(word) for word in words_of(weights[:, 0])]})
    await player.step(valid=0, thresholds=1, row=3)
    for _ in range(6):
        pixels = rng.integers(0, 256, (lanes, 64))
        sums = np.zeros((lanes, pe), np.int64)
        for plane in range(8):
            bits = pixels >> 7 - plane & 1
            sums += (1 << 7 - plane) * (bits[:, None, :] == weights[None, :, 0, :]).sum(axis=2)
            for part in range(64 // simd):
                await player.step([int(word) >> simd * part & (1 << simd) - 1 for word in words_of(bits)], valid=1,
                                  row=4, part=part, plane=plane, first=(plane, part) == (0, 0), twice=part == 0,
                                  last=(plane, part) == (7, 64 // simd - 1), pool_first=1)
        player.want(sums + starts >= 0)
        await dut.cycle(int(rng.integers(0, 3)))
    await dut.cycle(array_bits(pe) + 1)
    assert not player.wanted, f"seed {seed}"
