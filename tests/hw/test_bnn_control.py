"""bnn_control: checks of a start, errors and their order, counters, and a reset in every state."""

from types import SimpleNamespace

import cocotb
from hw.bench import Bench
from hw.clocked import Dut, Watch

from pynq_bnn.program.fields import Error

BENCH = Bench("bnn_control", {"it": {}})
GOOD = {"program_addr_i": 8, "program_words_i": 1, "image_addr_i": 16, "image_count_i": 1, "result_addr_i": 24}
LAYER, PARAMS_LAYER = 5, 9


def test_bnn_control(simulate):
    simulate(BENCH)


async def prepare(top, seed=0, **inputs):
    dut = Dut(top, BENCH, "it", seed)
    dut.set(**GOOD, layer_i=LAYER, params_layer_i=PARAMS_LAYER, **inputs)
    await dut.reset()
    await dut.settle()
    assert (status(dut).busy, status(dut).done, status(dut).failed, status(dut).error) == (0, 0, 0, 0)
    return dut


def status(dut):
    word = dut.get("status_o")
    assert word >> 24 == 0
    assert word >> 3 & 31 == 0
    return SimpleNamespace(busy=word & 1, done=word >> 1 & 1, failed=word >> 2 & 1, error=word >> 8 & 255,
                           layer=word >> 16 & 255)


async def pulse(dut, *names):
    dut.set(**{name: 1 for name in names})
    await dut.cycle()
    dut.set(**{name: 0 for name in names})
    await dut.settle()


async def start(dut):
    await pulse(dut, "start_i")
    await dut.until(lambda: dut.get("run_start_o") == 1, 10)
    await dut.cycle()
    await dut.settle()
    assert (dut.get("run_start_o"), dut.get("run_rst_no"), dut.get("stop_o")) == (0, 1, 0)


async def stop(dut, idle_after):
    """After an end: no burst begins until those under way are over."""
    await dut.until(lambda: dut.get("stop_o") == 1, 4)
    await dut.settle()
    for _ in range(idle_after):
        assert (dut.get("stop_o"), dut.get("run_rst_no"), status(dut).busy, status(dut).done) == (1, 1, 1, 0)
        await dut.cycle()
        await dut.settle()
    dut.set(idle_i=1)
    await dut.until(lambda: status(dut).busy == 0, 10)
    await dut.cycle()  # both come from registers
    await dut.settle()
    assert (dut.get("stop_o"), dut.get("run_rst_no")) == (0, 0)
    dut.set(idle_i=0)


@cocotb.test()
@cocotb.parametrize(idle_after=[0, 1, 20], interrupt=[0, 1])
async def a_run_starts_once_and_ends_when_all_bursts_have(top, idle_after, interrupt):
    dut = await prepare(top, interrupt_enable_i=interrupt)
    for _ in range(2):
        watch = Watch(dut, "run_start_o")
        await start(dut)
        await dut.cycle(10)
        assert (status(dut).busy, status(dut).done, dut.get("irq_o")) == (1, 0, 0)
        assert status(dut).layer == LAYER
        await pulse(dut, "done_i")
        await stop(dut, idle_after)
        assert (status(dut).done, status(dut).failed, status(dut).error) == (1, 0, 0)
        assert dut.get("irq_o") == interrupt
        assert sum(begun for (begun,) in watch.values) == 1
        await dut.cycle(20)
        assert status(dut).done == 1


@cocotb.test()
@cocotb.parametrize(("bad", [{name: value} for name in GOOD for value in
                             ((1, 2, 4, 0xFFFF_FFFF) if name.endswith("addr_i") else (0,))]))
async def a_start_that_makes_no_sense_runs_nothing(top, bad):
    dut = await prepare(top, idle_i=1)
    dut.set(**bad)
    watch = Watch(dut, "run_start_o")
    await pulse(dut, "start_i")
    await dut.until(lambda: status(dut).busy == 0, 20)
    assert (status(dut).done, status(dut).failed, status(dut).error) == (1, 1, Error.START), bad
    assert not any(begun for (begun,) in watch.values)
    dut.set(**GOOD)
    await start(dut)
    await dut.settle()
    assert (status(dut).failed, status(dut).error) == (0, 0)


@cocotb.test()
@cocotb.parametrize(("fault", [
    ({"read_error_i": 1}, Error.READ, LAYER), ({"write_error_i": 1}, Error.WRITE, LAYER),
    ({"params_error_i": Error.PROGRAM}, Error.PROGRAM, PARAMS_LAYER),
    ({"params_error_i": Error.HEADER}, Error.HEADER, PARAMS_LAYER),
    ({"params_error_i": Error.ENDED}, Error.ENDED, PARAMS_LAYER),
    ({"range_i": 1}, Error.RANGE, LAYER), ({"results_i": 1}, Error.RESULTS, LAYER),
    ({"read_error_i": 1, "params_error_i": Error.HEADER, "range_i": 1}, Error.READ, LAYER),
    ({"done_i": 1, "range_i": 1}, Error.RANGE, LAYER)]))
async def an_error_ends_the_run_with_its_code_and_layer(top, fault):
    inputs, code, layer = fault
    dut = await prepare(top)
    await start(dut)
    await dut.cycle(5)
    dut.set(**inputs)
    await dut.cycle()
    dut.set(**{name: 0 for name in inputs}, layer_i=77)
    await dut.settle()
    # What comes of the end itself changes nothing.
    dut.set(range_i=1, done_i=1)
    await stop(dut, 7)
    dut.set(range_i=0, done_i=0)
    found = status(dut)
    assert (found.done, found.failed, found.error, found.layer) == (1, 1, code, layer), str(fault)
    await start(dut)
    assert (status(dut).failed, status(dut).error) == (0, 0)


@cocotb.test()
@cocotb.parametrize(cycles=range(12), ending=["running", "done_i", "range_i"])
async def a_reset_ends_whatever_is_going_on(top, cycles, ending):
    """The reset comes ``cycles`` cycles after a start: while it is checked, starts, runs or stops by itself."""
    dut = await prepare(top, interrupt_enable_i=1)
    await pulse(dut, "start_i")
    for cycle in range(cycles):
        if ending != "running":
            dut.set(**{ending: cycle == 3})
        await dut.cycle()
    await pulse(dut, "reset_i")
    dut.set(done_i=0, range_i=0)
    await dut.cycle()
    for _ in range(10):
        await dut.cycle()
        await dut.settle()
        assert (dut.get("stop_o"), status(dut).busy, dut.get("irq_o")) == (1, 1, 0)
    dut.set(idle_i=1)
    await dut.cycle(10)
    found = status(dut)
    assert (found.busy, found.done, found.failed, found.error) == (0, 0, 0, 0)
    assert dut.get("run_rst_no") == 0
    dut.set(idle_i=0)
    await start(dut)
    await pulse(dut, "done_i")
    await stop(dut, 2)
    assert (status(dut).done, status(dut).failed) == (1, 0)


@cocotb.test()
async def a_reset_between_runs_clears_the_status_at_once(top):
    dut = await prepare(top, interrupt_enable_i=1)
    await start(dut)
    await pulse(dut, "range_i")
    await stop(dut, 1)
    assert status(dut).failed == 1
    await pulse(dut, "reset_i")
    assert (status(dut).busy, status(dut).done, status(dut).failed, status(dut).error) == (0, 0, 0, 0)
    assert dut.get("irq_o") == 0


@cocotb.test()
@cocotb.parametrize(seed=range(4))
async def cycles_are_counted_by_what_they_were_spent_on(top, seed):
    dut = await prepare(top, seed)
    names = ["step_i", "wait_parameters_i", "wait_images_i", "wait_results_i"]
    for _ in range(2):
        counts, cycles = dict.fromkeys(names, 0), 0
        dut.set(start_i=1)
        length, seen = dut.random.randint(20, 200), {}
        for cycle in range(length + 40):
            values = {name: dut.random.randint(0, 1) for name in names}
            dut.set(**values, done_i=cycle == length, idle_i=cycle > length + 10,
                    start_i=cycle == 0 or 5 < cycle < length and dut.random.random() < 0.1)  # ignored while busy
            await dut.settle()
            running = dut.get("run_rst_no")
            cycles += running
            for name, value in seen.items():
                counts[name] += value and not dut.get("stop_o")  # which comes a cycle after the end
            seen = values if running and not dut.get("run_start_o") and not dut.get("stop_o") else {}
            await dut.cycle()
        assert dut.get("cycles_o") == cycles, f"seed {seed}"
        assert [dut.get(name[:-2] + ("s_o" if name == "step_i" else "_o")) for name in names] == \
            list(counts.values()), f"seed {seed}"
