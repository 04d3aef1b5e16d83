"""The accelerator's speed: goals, predictions, and the estimate of long batches from a few groups."""

from __future__ import annotations

import json

import pytest
from tools import CHAINS, needs_rtl

from pynq_bnn.backends.rtl import RtlBackend, Simulation
from pynq_bnn.backends.rtl_bench import bench
from pynq_bnn.cli import main
from pynq_bnn.commands.bench_rtl import _three_digits
from pynq_bnn.program.config import Config
from pynq_bnn.program.schedule import schedule
from pynq_bnn.zoo import TOPOLOGIES, Conv, Fc, Topology
from pynq_bnn.zoo.untrained import untrained_network

pytestmark = needs_rtl

# Batches that hold several groups and take seconds to simulate.
BATCHES = {"cnv-cifar10": 64, "binarynet-cifar10": 24, "binarynet-svhn": 24, "vgg16-cifar10": 32, "mlp-mnist": 300,
           "mlp-1bit-mnist": 300, "lfc-mnist": 512, "sfc-mnist": 1024, "tfc-mnist": 2048}


@pytest.mark.parametrize("name", CHAINS)
def test_predicted_cycles_are_within_five_percent_of_the_simulation(name):
    network, batch = untrained_network(TOPOLOGIES[name]), BATCHES[name]
    plan = schedule(network, Config(), batch)
    with RtlBackend(network) as backend:
        measured = sum(backend.profile(plan, batch, number)[0].cycles for number in range(len(plan.programs)))
        single = schedule(network, Config(), 1)
        alone = sum(backend.profile(single, 1, number)[0].cycles for number in range(len(single.programs)))
    assert plan.cost(batch).cycles == pytest.approx(measured, rel=0.05), f"batch of {batch}"
    assert single.cost(1).cycles == pytest.approx(alone, rel=0.05), "one image"


def test_a_small_network_is_predicted_well_though_its_first_groups_find_their_parameters_in_the_ring(random_network):
    network, images = random_network(38), 500
    plan = schedule(network, Config(), images, cuts=(), slots=5)
    with RtlBackend(network) as backend:
        measured = backend.profile(plan, images, 0)[0].cycles
    assert plan.cost(images).cycles == pytest.approx(measured, rel=0.05)


# Cycles of one image alone; batches take minutes and are measured by `pynq-bnn bench`, see README.
@pytest.mark.parametrize(("name", "goal"), [("binarynet-cifar10", 500_000), ("cnv-cifar10", 70_000)])
def test_one_image_is_as_fast_as_promised(name, goal):
    network = untrained_network(TOPOLOGIES[name])
    plan = schedule(network, Config(), 1)
    with RtlBackend(network) as backend:
        assert backend.profile(plan, 1, 0)[0].cycles <= goal


def test_a_long_batch_estimated_from_a_few_groups_is_as_long_as_the_whole_simulated():
    network = untrained_network(TOPOLOGIES["lfc-mnist"])
    simulation = Simulation(Config(lanes=2, pe=16, simd=64), slots=8)
    batch = 2 * 8 * 9 + 5  # nine full groups and a rest
    answer = bench(network, batch, simulation)
    with RtlBackend(network, simulation) as backend:
        plan = schedule(network, simulation.config, batch, slots=8)
        whole = backend.profile(plan, batch, 0)[0]
    assert answer.cycles_per_image == pytest.approx(whole.cycles / batch, rel=0.01)


# Odd maps, whose last row and column no pool uses; the second layer keeps the array busy to the last percent.
ODD = Topology("odd", "", 11, 11, 3, 8, (Conv(64), Conv(256), Conv(64, kernel=2, pool=4), Fc(64)))


def test_cycles_of_layers_estimated_from_a_few_groups_are_those_of_the_whole_and_use_no_more_than_the_array():
    network, simulation = untrained_network(ODD), Simulation(slots=1)
    batch = 8 * 40  # forty groups, of which some sixteen are simulated
    answer = bench(network, batch, simulation)
    with RtlBackend(network, simulation) as backend:
        plan = schedule(network, simulation.config, batch, slots=1)
        assert len(plan.programs) == 1
        counters, seen = backend.profile(plan, batch, 0)
    assert sum(seen.values()) == pytest.approx(counters.cycles, rel=0.01)
    for row in answer.layers:
        assert row.cycles == pytest.approx(seen[row.layer] / batch, rel=0.02, abs=1), row
        assert row.utilization <= 1
        positions = {0: 9 * 9, 1: 7 * 7, 2: 4 * 4}.get(row.layer, 1)
        assert row.macs == positions * network.layers[row.layer].weights.size, row
        assert row.cycles >= row.macs / simulation.config.bit_ops
    assert answer.layers[1].utilization > 0.97
    assert sum(row.cycles for row in answer.layers) == pytest.approx(answer.cycles_per_image)


@pytest.mark.parametrize(("value", "words"), [(3.594, "3.59"), (18.149, "18.1"), (335.26, "335"), (1744.3, "1,740"),
                                              (99.96, "100"), (28901.4, "28,900"), (0.0, "0")])
def test_cycles_of_layers_are_printed_as_good_as_they_are(value, words):
    assert _three_digits(value) == words


def test_bench_prints_json_and_a_table_with_a_chart(capsys, tmp_path):
    assert main(["bench", "tfc-mnist", "--backend", "rtl", "--batch", "64", "--clock", "125", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {"cycles_per_image", "single_image_cycles", "shares", "utilization", "fps", "layers"} <= set(answer)
    assert 0 < answer["driver_ms"] < 1000
    assert answer["fps"] == pytest.approx(125e6 / answer["cycles_per_image"])
    assert sum(answer["shares"].values()) == pytest.approx(1)
    chart = tmp_path / "chart.png"
    assert main(["bench", "tfc-mnist", "--backend", "rtl", "--lanes", "2", "--batch", "64", "-o", str(chart)]) == 0
    printed = capsys.readouterr().out
    assert "cycles an image" in printed
    assert "LANES=2" in printed
    assert chart.read_bytes()[:4] == b"\x89PNG"
