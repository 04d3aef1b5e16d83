"""Whole networks on whatever has the core's ports: the core, the board's top, a netlist."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pynq_bnn.backends import CpuBackend
from pynq_bnn.network import BinConv, BinFc, FpConv, InputSpec, Network, OutputSpec, Scores, signed_codes
from pynq_bnn.program.config import Config
from pynq_bnn.program.pack import pack_images, pack_program, unpack_map, unpack_scores
from pynq_bnn.program.registers import OFFSETS, check_status, start
from pynq_bnn.program.schedule import schedule
from pynq_bnn.simulation import SimulatedCore, hw_directory

PROGRAM, IMAGES, RESULTS = 0x1000_0000, 0x1100_0008, 0x1200_0010
TINY = Config(lanes=2, pe=8, simd=16, buffer_depth=256, ring_depth=32, acc_width=16)
CYCLES = 100_000


def bench_sources() -> list[Path]:
    """What stands around bnn_board in simulation, BUFG left out: netlists bring one."""
    return [hw_directory() / "sim" / name for name in ("ps7.sv", "bnn_board_bench.sv")]


def small_network(seed: int) -> Network:
    """FP-Conv, Bin-Conv with a pool, two Bin-FC on 6×6 pixels, with everything at random."""
    rng = np.random.default_rng(seed)

    def bits(*shape: int) -> np.ndarray:
        return rng.integers(0, 2, shape, dtype=np.uint8)

    def thresholds(count: int, spread: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.integers(-spread, spread, count).astype(np.int32), rng.integers(0, 2, count).astype(bool)

    layers = (FpConv(bits(8, 3, 3, 3), *thresholds(8, 900), padding=1),
              BinConv(bits(20, 3, 3, 8), *thresholds(20, 12), padding=1, pool=2),
              BinFc(bits(24, 180), *thresholds(24, 20)), Scores(bits(5, 24)))
    names = tuple(f"class {n}" for n in range(5))
    return Network(f"small-{seed}", InputSpec(6, 6, 3, signed_codes()), layers,
                   OutputSpec(names, np.ones(5, np.float32), np.zeros(5, np.float32)))


def noise(network: Network, count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *network.input.shape), dtype=np.uint8)


def begin(core: SimulatedCore, network: Network, config: Config, program, images: np.ndarray) -> np.ndarray:
    """Give the core a program and its images, and start it; where its results will lie."""
    words = pack_program(network, program, config)
    results = np.zeros((len(images), program.out_words), np.uint64)
    core.clear_memory()
    core.add_memory(PROGRAM, words)
    core.add_memory(IMAGES, images)
    core.add_memory(RESULTS, results, writable=True, readable=False)
    core.write(OFFSETS["INTERRUPT"], 1)
    start(core, (PROGRAM, len(words)), (IMAGES, len(images)), (RESULTS, results.size))
    return results


def scores(core: SimulatedCore, network: Network, config: Config, pixels: np.ndarray) -> np.ndarray:
    """The network's scores; every program must end with an interrupt."""
    data = pack_images(network, pixels)
    shapes = [node.output.shape for node in network.nodes]
    for program in schedule(network, config, len(pixels)).programs:
        assert not core.irq
        results = begin(core, network, config, program, data)
        core.run(CYCLES)
        assert core.irq, f"no interrupt within {CYCLES} cycles"
        check_status(core.read(OFFSETS["STATUS"]))
        core.write(OFFSETS["INTERRUPT"], 0)
        core.run(8, until_irq=False)
        data = unpack_scores(results, program.classes) if program.classes else unpack_map(results, shapes[program.last])
    return data


def assert_equals_cpu(core: SimulatedCore, config: Config, seed: int, images: int) -> None:
    network = small_network(seed)
    pixels = noise(network, images, seed)
    expected = CpuBackend(network).scores(pixels)
    got = scores(core, network, config, pixels)
    assert np.array_equal(expected, got), f"seed {seed}: {got.tolist()}, expected {expected.tolist()}"
