"""Timing from the bits: routes, cells and slacks worked out by hand, and the overlay that ships."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from flows.bits import timing
from flows.bits.facts import Facts, compare
from flows.device.timings import load_timings, read_cells
from flows.overlay import NAME, OVERLAYS
from flows.sta.analysis import analyse_graph, uncertainty
from flows.sta.clocks import ClockGroup
from flows.sta.graph import Graph, Pin, Requirement
from flows.sta.hold import BETWEEN_REGIONS, WITHIN_REGION, short_connections
from flows.sta.report import facts, hold_classes, least_hold, report
from flows.sta.routes import Routes
from flows.sta.slices import depends_on

from pynq_bnn.errors import PynqBnnError

NOTHING = ["0", "0", "0", "0"]


def circuit(switches):
    """A circuit of nodes 0 …; ``switches`` gives for each node its source (-1: none) and its switch."""
    kind = SimpleNamespace(pips={str(node): {"is_pass_transistor": about.get("pass", 0), "src_to_dst": {
        "delay": about.get("delay", NOTHING), "res": about.get("res", "0"), "in_cap": about.get("in_cap")}}
        for node, (_, about) in enumerate(switches)})
    return SimpleNamespace(source=np.array([source for source, _ in switches], np.int32),
                           switch=np.array([node if source >= 0 else -1 for node, (source, _) in enumerate(switches)]),
                           switches=[(kind, str(node)) for node in range(len(switches))])


def test_a_net_is_a_tree_of_resistances_and_loads():
    # A pin of 1,000 Ω drives wire 0 (100 Ω, 50 fF); a buffer (8 fF in, 2,000 Ω out) leads to wire 1 (0 Ω, 40 fF), a
    # pass transistor to wire 2 (30 fF), and another buffer, behind which nothing is read, to wire 3.
    switches = [(-1, {}), (0, {"delay": ["0.1", "0.2", "0.3", "0.4"], "res": "2000", "in_cap": "8"}),
                (0, {"pass": 1}), (0, {"in_cap": "500"})]
    loads = np.array([100.0, 0, 0, 0]), np.array([50.0, 40, 30, 7])
    routes = Routes(circuit(switches), np.array([1, 2]), {0: 1000.0}, loads)
    first = (1000 * (50 + 8 + 30) + 100 * (25 + 8 + 30)) * 1e-6
    assert routes.nodes.tolist() == [0, 1, 2]
    np.testing.assert_allclose(routes.to(np.array([0, 2])), [[first] * 4] * 2)
    np.testing.assert_allclose(routes.to(np.array([1]))[0], first + 2000 * 40e-6 + np.array([0.1, 0.2, 0.3, 0.4]))
    np.testing.assert_allclose(routes.to(np.array([1]), loaded=False)[0], [0.1, 0.2, 0.3, 0.4])


def test_more_sinks_never_make_a_net_faster():
    random = np.random.default_rng(1)
    switches = [(-1, {})]
    for node in range(1, 60):
        switches.append((int(random.integers(0, node)), {
            "res": str(random.integers(0, 2000)), "delay": ["0.1"] * 4, "in_cap": str(random.integers(0, 9)),
            "pass": int(random.integers(0, 2))}))
    net, loads = circuit(switches), (random.uniform(0, 300, 60), random.uniform(0, 60, 60))
    sinks = random.permutation(60)
    few, many = (Routes(net, sinks[:count], {0: 1300.0}, loads) for count in (8, 40))
    assert (many.to(few.nodes) >= few.to(few.nodes) - 1e-12).all()
    assert (many.to(few.nodes) > few.to(few.nodes) + 1e-6).any()


@pytest.mark.parametrize(("table", "reads", "expected"), [
    (0x8888_8888_8888_8888, [5, 6, 7, 8, 9, 10], [0, 1]),  # A1 and A2
    (0x8888_8888_8888_8888, ["0", 6, 7, 8, 9, 10], []),
    (0x8888_8888_8888_8888, ["1", 6, 7, 8, 9, 10], [1]),
    (0xFFFF_FFFF_0000_0000, [5, 6, 7, 8, 9, 10], [5]),
    (0xFF00_FF00_0F0F_0F0F, [5, 6, 7, 8, 9, "1"], [3]),
    (0xFF00_FF00_0F0F_0F0F, [5, 6, 7, 8, 9, "0"], [2]),
])
def test_a_table_passes_only_inputs_that_matter(table, reads, expected):
    assert depends_on(table, [Pin(0, what, (0.0,) * 4) for what in reads]) == expected


def test_cells_have_the_delays_of_their_file():
    lines = ['(CELLTYPE "FF")', "(INSTANCE SLICEL)", "(IOPATH CLK Q (0.1::0.2)(0.3::0.4))",
             "(SETUP D (posedge CLK) (-0.5::-0.4))", "(HOLD D (posedge CLK) (0.7::0.6))"]
    cells = read_cells(lines)
    assert cells.arc("FF", "CLK", "Q", "SLICEL") == (0.1, 0.2, 0.3, 0.4)
    assert (cells.check("FF", "SETUP", "D", "SLICEL"), cells.check("FF", "HOLD", "D", "SLICEL")) == (-0.4, 0.7)
    with pytest.raises(PynqBnnError, match="no delay from CLK to Q5 of the cell FF"):
        cells.arc("FF", "CLK", "Q5", "SLICEL")
    with pytest.raises(PynqBnnError, match="no hold time of CE of the cell FF"):
        cells.check("FF", "HOLD", "CE", "SLICEL")


def test_the_device_s_cells_are_those_of_the_slow_grade():
    cells = load_timings()
    assert cells["slicel"].arc("LUT6", "A1", "O6", "SLICEL/A6LUT")[3] == 0.124
    assert cells["BRAM_L"].arc("RAMBFIFO36E1RAM_MODE_U_RAMB18TDP_U_DOA_REG_U_0_EN_ECC_READ_FALSE", "CLKARDCLKU",
                               "DOADOU", "RAMBFIFO36E1")[3] == 2.454


@pytest.mark.parametrize(("period", "expected"), [(20, 0.302), (11, 0.169), (8, 0.125)])
def test_uncertainty_is_as_vivado_reports_it(period, expected):
    assert uncertainty(period) == pytest.approx(expected, abs=5e-4)


REGIONS = [ClockGroup("BUFHCE_X0Y0", (("BUFG", (0.1, 0.2, 1.0, 1.2)), ("low", (0.2, 0.4, 1.5, 1.9))), "FCLK0"),
           ClockGroup("BUFHCE_X0Y12", (("BUFG", (0.1, 0.2, 1.0, 1.2)), ("high", (0.2, 0.4, 1.5, 1.9))), "FCLK0"),
           ClockGroup("BUFHCE_X1Y0", (("other", (0.1, 0.2, 1.0, 1.2)),), "FCLK1")]


def analysed(arcs, ends=((3, 0, 0.0),), starts=((0, 0),)):
    """Vertices 0 …; a clock pin's node is its group. Delays are (fast, slow), for ends slow; needs 0.1 and 0.05."""
    graph = object.__new__(Graph)
    graph.names = [("site", str(number)) for number in range(1 + max(max(arc[:2]) for arc in arcs))]
    graph.arcs = np.array([arc[:2] for arc in arcs])
    graph.arc_delay = np.array([[arc[2][0]] * 2 + [arc[2][1]] * 2 for arc in arcs])
    graph.start_vertex, graph.start_clock = np.array(starts).T
    graph.start_delay = np.tile([0.1, 0.2, 0.3, 0.4], (len(starts), 1))
    graph.end_vertex, graph.end_clock = np.array([end[:2] for end in ends]).T
    graph.end_delay = np.array([[end[2]] * 4 for end in ends])
    graph.end_pin = [("site", f"D{number}") for number in range(len(ends))]
    graph.end_needs = [Requirement("flip-flop D", 0.1, 0.05)] * len(ends)
    graph.left_out = {}
    graph.arc_node = np.arange(10, 10 + len(arcs))
    graph.end_node = np.array([end[3] if end[3:] else -1 for end in ends])
    graph.device = SimpleNamespace(wire_name=lambda node: f"TILE/{node}")
    clocks = SimpleNamespace(groups=REGIONS, at=lambda nodes: (nodes, np.array([REGIONS[n].way[-1][1] for n in nodes])))
    return analyse_graph(graph, clocks)


TWO_WAYS = [(0, 1, (0.2, 1.0)), (1, 3, (0.1, 0.5)), (0, 2, (0.4, 2.0)), (2, 3, (0.3, 0.6))]


def test_slack_within_a_region_counts_no_skew():
    found = analysed(TWO_WAYS)
    # The longest path is 0.4 + 2.6, the shortest 0.1 + 0.3; both edges come the same way.
    assert found.setup[0] == pytest.approx(-(0.4 + 2.6) - 0.1)
    assert found.slack(125)[0] == pytest.approx(8 - 3.1 - uncertainty(8))
    assert found.hold[0] == pytest.approx(0.1 + 0.3 - 0.05)
    assert [step.to for step in found.path(0)] == ["clock", "site/0", "site/2", "site/3", "site/D0"]
    assert [step.to for step in found.path(0, hold=True)] == ["clock", "site/0", "site/1", "site/3", "site/D0"]
    assert found.slack(found.fastest()).min() == pytest.approx(0, abs=1e-6)


def test_skew_between_regions_is_what_their_ways_do_not_share():
    found = analysed(TWO_WAYS, ends=[(3, 1, 0.0)])
    assert found.setup[0] == pytest.approx(-3.1 - (1.9 - 1.5) + (1.2 - 1.0))
    assert found.hold[0] == pytest.approx(0.35 - (0.4 - 0.2) + (0.2 - 0.1))
    assert found.kinds().tolist() == ["flip-flop D, from another row of regions"]


def test_the_worst_path_may_come_from_the_region_with_the_shorter_delay():
    near = analysed(TWO_WAYS, starts=[(0, 0)]).setup[0]
    both = analysed([*TWO_WAYS, (4, 3, (0.3, 2.45))], starts=[(0, 0), (4, 1)])
    assert both.setup[0] == pytest.approx(-(0.4 + 2.45) - 0.1 - 0.4 + 0.2)
    assert both.setup[0] < near
    assert [step.to for step in both.path(0)] == ["clock", "site/4", "site/3", "site/D0"]


def test_what_hold_lacks_is_asked_of_the_last_wire():
    # Margins: 0.35 within the region, 0.25 from another row of regions; the shortest path ends with arc 1, node 11.
    found = analysed(TWO_WAYS, ends=[(3, 0, 0.0), (3, 1, 0.0)])
    assert found.crosses().tolist() == [False, True]
    assert short_connections(found, within=0.3, between=0.2) == {}
    assert short_connections(found, within=0.4, between=0.2) == {"TILE/11": pytest.approx(0.05)}
    assert short_connections(found, within=0.4, between=0.4) == {"TILE/11": pytest.approx(0.15)}
    # An end at a pin of its own, and one that the starting vertex drives within its site.
    found = analysed(TWO_WAYS, ends=[(3, 0, 0.0, 7), (0, 0, 0.0)])
    assert short_connections(found, within=0.4, between=0.4) == {"TILE/7": pytest.approx(0.05)}


def test_paths_between_two_clocks_are_no_paths():
    assert np.isinf(analysed(TWO_WAYS, ends=[(3, 2, 0.0)]).setup[0])


def test_longer_wires_never_help_setup():
    random = np.random.default_rng(3)
    arcs = [(int(source), target, (0.1, float(random.uniform(0.1, 1))))
            for target in range(1, 40) for source in random.integers(0, target, 2)]
    ends = [(vertex, int(vertex % 2), 0.1) for vertex in range(20, 40)]
    before = analysed(arcs, ends).setup
    for number in range(0, len(arcs), 7):
        longer = arcs[:number] + [(*arcs[number][:2], (0.1, arcs[number][2][1] + 0.5))] + arcs[number + 1:]
        assert (analysed(longer, ends).setup <= before + 1e-9).all()


def test_a_loop_of_logic_is_said():
    with pytest.raises(PynqBnnError, match="loop of logic without a register"):
        analysed([(0, 1, (0.1, 0.2)), (1, 2, (0.1, 0.2)), (2, 1, (0.1, 0.2)), (2, 3, (0.1, 0.2))])


def test_the_report_says_margins_in_words():
    found = analysed(TWO_WAYS, ends=[(3, 0, 0.0), (1, 0, 0.0), (3, 1, 0.0)])
    text = report("a.bit", found, 400, [{"flip-flop D": 0.3, "flip-flop D, from another row of regions": 0.1}])
    assert "2 ends are late of 3; the fastest clock is " in text
    assert "least margin +0.250 ns; 0 ends have less than 0" in text
    assert [(entry.kind, entry.ends, entry.below) for entry in hold_classes(found, [{"flip-flop D": 0.3}])] == \
           [("flip-flop D, from another row of regions", 1, 0), ("flip-flop D", 2, 1)]
    assert facts(found, 400, [least_hold(found)])["hold_below_reference"] == 0


@pytest.fixture(scope="module")
def overlay():
    return timing.analyse_bit(OVERLAYS / f"{NAME}.bit")


def test_the_overlay_meets_its_clock_as_its_listing_says(overlay):
    about = json.loads((OVERLAYS / f"{NAME}.json").read_text())
    said = facts(overlay, about["clock_mhz"])
    assert said["late_ends"] == 0
    assert said["ends"] > 50_000
    assert {name: about[name] for name in ("worst_slack_ns", "fmax_mhz", "worst_hold_ns", "hold_below_0")} == {
        name: said[name] for name in ("worst_slack_ns", "fmax_mhz", "worst_hold_ns", "hold_below_0")}


def test_no_input_of_the_overlay_changes_too_early(overlay):
    """Nor nearly, and between regions, where clocks differ more, only one has less than was aimed for."""
    assert overlay.hold.min() >= WITHIN_REGION
    assert (overlay.hold[overlay.crosses()] < BETWEEN_REGIONS).sum() <= 1


@pytest.mark.parametrize("hold", [False, True])
def test_a_path_adds_up_to_its_slack(overlay, hold):
    slack, late, early = (overlay.hold, 1, 0) if hold else (overlay.setup, 3, 2)
    end = int(slack.argmin())
    needs = overlay.graph.end_needs[end]
    launch = overlay.clocks.groups[(overlay.end_groups_hold if hold else overlay.end_groups_setup)[end]]
    capture = overlay.clocks.groups[overlay.end_group[end]]
    shared = capture.common(launch, late, early)
    edge = overlay.clocks.at(overlay.graph.end_clock[[end]])[1][0, late if hold else early]
    arrival = sum(step.delay for step in overlay.path(end, hold))
    expected = arrival - edge + shared - needs.hold if hold else edge + shared - arrival - needs.setup
    assert slack[end] == pytest.approx(expected)


def test_the_overlay_s_power_on_facts():
    shipped = Facts(OVERLAYS / f"{NAME}.bit")
    text = compare(shipped, shipped)
    assert not any(line.startswith("*") for line in text.splitlines())
    assert "1 × from PS7.FCLKCLK0, CE0=1 CE1=0 S0=1 S1=0" in text
    inputs = shipped.processing_system()
    assert {name: inputs[f"SAXIHP0{name}"] for name in ("AWSIZE", "AWBURST", "AWCACHE", "WSTRB", "WID", "BREADY")} == \
           {"AWSIZE": "1 (2 bits)", "AWBURST": "01", "AWCACHE": "0011", "WSTRB": "1 (8 bits)", "WID": "0 (6 bits)",
            "BREADY": "1"}
    # What nothing drives is as Vivado has it.
    assert {name: inputs[name] for name in ("EMIOUSB0VBUSPWRFAULT", "EMIOSDIO0WP", "DMA0DRVALID", "DDRARB")} == \
           {"EMIOUSB0VBUSPWRFAULT": "0", "EMIOSDIO0WP": "0", "DMA0DRVALID": "0", "DDRARB": "0 (4 bits)"}


@pytest.mark.parametrize(("found", "message"), [
    ({"worst_slack_ns": -1.125}, "the clock of 125 MHz is missed by 1.125 ns .* take a slower CLOCK= \\(109 fits"),
    ({"worst_hold_ns": -0.05, "hold_below_0": 2}, "2 inputs change too early, by up to 0.050 ns .*another SEED="),
])
def test_bits_that_miss_their_timing_are_no_result(tmp_path, monkeypatch, found, message):
    right = {"worst_slack_ns": 0.1, "fmax_mhz": 109.6, "worst_hold_ns": 0.02, "hold_below_0": 0}
    monkeypatch.setattr(timing, "report", lambda *_: "the report")
    monkeypatch.setattr(timing, "facts", lambda *_: right)
    assert timing.judge(None, 125, tmp_path / "timing.txt") == right
    monkeypatch.setattr(timing, "facts", lambda *_: right | found)
    with pytest.raises(PynqBnnError, match=message):
        timing.judge(None, 125, tmp_path / "timing.txt")
    assert (tmp_path / "timing.txt").read_text() == "the report"


@pytest.mark.parametrize(("arguments", "message"), [
    (["none.bit", "--clock", "100"], "none.bit cannot be read"),
    (["none.bit", "--clock", "0"], "--clock 0 is no frequency; give MHz"),
])
def test_bad_arguments_are_one_message(monkeypatch, arguments, message):
    monkeypatch.setattr("sys.argv", ["timing", *arguments])
    with pytest.raises(PynqBnnError, match=message):
        timing.main()
