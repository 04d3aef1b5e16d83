"""``bench --backend rtl``: cycles of the simulated accelerator, as a table, a chart or JSON."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from ..backends.rtl import Simulation
from ..backends.rtl_bench import RtlBench, bench
from ..errors import BackendError
from ..files import write_atomically
from ..network import Network
from ..program.config import Config


def bench_rtl(arguments: argparse.Namespace, network: Network) -> int:
    """Print the benchmark of ``network``; with --output (and without --json) also draw it."""
    config = Config(lanes=arguments.lanes) if arguments.lanes else Config()
    answer = bench(network, arguments.batch, Simulation(config))
    fps = 1e6 * arguments.clock / answer.cycles_per_image
    latency = answer.single_image_cycles / arguments.clock / 1e3
    if arguments.json:
        print(json.dumps({**asdict(answer), "clock_mhz": arguments.clock, "fps": fps, "single_image_ms": latency}))
        return 0
    print(f"{answer.network} on {answer.config}")
    print("layer kind      program images/lane          MAC cycles/image  array")
    for row in answer.layers:
        print(f"{row.layer:>5} {row.kind:<9} {row.program:>7} {row.slots:>11} {row.macs:>12,}"
              f" {_three_digits(row.cycles):>12} {row.utilization:>6.1%}")
    print("cycles: " + ", ".join(f"{name} {share:.1%}" for name, share in answer.shares.items()))
    print(f"batch of {answer.batch}: {answer.cycles_per_image:,.0f} cycles an image ({answer.predicted:,.0f}"
          f" predicted), {fps:,.0f} images/s at {arguments.clock:g} MHz, array used {answer.utilization:.1%}")
    print(f"one image: {answer.single_image_cycles:,} cycles, {latency:.3f} ms; besides, the driver on this computer: "
          f"{answer.driver_ms:.3f} ms")
    if arguments.output:
        write_atomically(arguments.output, lambda path: _draw(answer, path))
        print(f"chart: {arguments.output}")
    return 0


def _three_digits(value: float) -> str:
    """Three digits, the accuracy of the samples: 1,740, 335, 18.1, 3.59."""
    if value < 100:
        return f"{value:.3g}"
    unit = 10 ** (len(str(int(value))) - 3)
    return f"{round(value / unit) * unit:,}"


def _draw(answer: RtlBench, path: Path) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise BackendError("no matplotlib for the chart; pip install matplotlib, or leave --output out") from None
    figure = Figure(figsize=(8, 1.6 + 0.3 * len(answer.layers)), layout="constrained")
    axes = figure.subplots()
    places = range(len(answer.layers))
    axes.barh(places, [row.cycles for row in answer.layers], color="#c8d3e0", label="cycles")
    axes.barh(places, [row.cycles * row.utilization for row in answer.layers], color="#2f5d8a",
              label="of these, with every PE busy")
    axes.set_yticks(places, [f"{row.layer} {row.kind}" for row in answer.layers])
    axes.invert_yaxis()
    axes.set_xlabel("cycles an image")
    waits = ", ".join(f"{name} {share:.0%}" for name, share in answer.shares.items())
    axes.set_title(f"{answer.network}: {answer.cycles_per_image:,.0f} cycles an image in batches of {answer.batch}\n"
                   f"{waits}", fontsize=10)
    axes.legend(loc="lower right", fontsize=8)
    figure.savefig(path, format="png", dpi=120)
