"""Cocotb's side: an instance clocked by hand, and what drives and watches its handshakes.

A cycle: inputs are set, everything settles, outputs are looked at, then the clock rises.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Protocol

from cocotb.handle import Immediate
from cocotb.triggers import Timer
from hw.bench import Bench, wire
from hw.records import record

# Probability of a pause in a cycle, at the source and at the sink.
STALLS = {"none": (0.0, 0.0), "input": (0.6, 0.0), "output": (0.0, 0.6), "both": (0.4, 0.4)}
HALF_PERIOD = Timer(1, "step")


class Agent(Protocol):
    """Something that takes part in each cycle."""

    def drive(self) -> None:
        """Set inputs."""

    def observe(self) -> None:
        """Look at outputs, which have settled."""


class Dut:
    """An instance of a bench: its ports by name, its clock, its random numbers and its agents."""

    def __init__(self, top: object, bench: Bench, instance: str, seed: int = 0) -> None:
        self.ports = bench.ports
        self.handles = {name: getattr(top, wire(instance, name)) for name in self.ports}
        self.parameters = SimpleNamespace(**bench.instances[instance])
        self.random = random.Random(f"{bench.module} {instance} {seed}")
        self.agents: list[Agent] = []
        self.cycles = 0
        for other in bench.instances:  # inputs start at random too: no instance may see an edge of its clock
            for name in {"clk_i", "rst_ni"} & self.ports.keys():
                getattr(top, wire(other, name)).value = Immediate(0)
        self.written: dict[str, int] = {}
        self.set(**{name: 0 for name, port in self.ports.items() if not port.output})

    def set(self, **values: int | Mapping[str, int]) -> None:
        """Set inputs; a struct is given as a dict of its fields."""
        for name, value in values.items():
            word = record(self.ports[name].record).pack(value) if isinstance(value, Mapping) else int(value)
            if self.written.get(name) != word:
                self.handles[name].value = self.written[name] = word

    def get(self, name: str) -> int:
        """An output as an integer."""
        return int(self.handles[name].value)

    def fields(self, name: str) -> SimpleNamespace:
        """An output's struct."""
        return record(self.ports[name].record).unpack(self.get(name))

    def scramble(self, name: str) -> None:
        """Random bits on an input that nothing may depend on now."""
        self.set(**{name: self.random.getrandbits(len(self.handles[name]))})

    async def settle(self) -> None:
        """Let combinational outputs follow the inputs."""
        await HALF_PERIOD

    async def cycle(self, count: int = 1) -> None:
        """One cycle of the clock, with all agents."""
        for _ in range(count):
            for agent in self.agents:
                agent.drive()
            if "clk_i" in self.handles:
                self.handles["clk_i"].value = 0
            await HALF_PERIOD
            for agent in self.agents:
                agent.observe()
            if "clk_i" in self.handles:
                self.handles["clk_i"].value = 1
                await HALF_PERIOD
            self.cycles += 1

    async def reset(self) -> None:
        """Two cycles of reset, in which no agent takes part."""
        agents, self.agents = self.agents, []
        self.set(rst_ni=0)
        await self.cycle(2)
        self.set(rst_ni=1)
        self.agents = agents

    async def until(self, condition: Callable[[], bool], limit: int = 5000) -> None:
        """Cycles until ``condition`` holds after one."""
        for _ in range(limit):
            await self.cycle()
            if condition():
                return
        raise AssertionError(f"still waiting after {limit} cycles")


class Source:
    """Offers ``items`` one after the other; an offer stays until it is taken."""

    def __init__(self, dut: Dut, valid: str, ready: str | None, data: str, items: Iterable[int | Mapping[str, int]],
                 stall: float = 0.0) -> None:
        self.dut, self.valid, self.ready, self.data, self.stall = dut, valid, ready, data, stall
        self.left = list(items)[::-1]
        self.taken = 0
        self.offered = False
        dut.agents.append(self)

    @property
    def done(self) -> bool:
        return not self.left and not self.offered

    def drive(self) -> None:
        if not self.offered and self.left and self.dut.random.random() >= self.stall:
            self.dut.set(**{self.data: self.left.pop()})
            self.offered = True
        elif not self.offered:
            self.dut.scramble(self.data)
        self.dut.set(**{self.valid: self.offered})

    def observe(self) -> None:
        if self.offered and (self.ready is None or self.dut.get(self.ready)):
            self.offered = False
            self.taken += 1


class Sink:
    """Takes what is offered, and watches that an offer stays as it is until it is taken."""

    def __init__(self, dut: Dut, valid: str, ready: str | None, data: str, stall: float = 0.0) -> None:
        self.dut, self.valid, self.ready, self.data, self.stall = dut, valid, ready, data, stall
        self.items: list[int] = []
        self.waiting: int | None = None
        self.taking = True
        dut.agents.append(self)

    def drive(self) -> None:
        self.taking = self.dut.random.random() >= self.stall
        if self.ready is not None:
            self.dut.set(**{self.ready: self.taking})

    def observe(self) -> None:
        if not self.dut.get(self.valid):
            assert self.waiting is None, f"{self.valid} fell in cycle {self.dut.cycles} before {self.ready}"
            return
        data = self.dut.get(self.data)
        assert self.waiting in (None, data), f"{self.data} changed in cycle {self.dut.cycles} before {self.ready}"
        self.waiting = data
        if self.taking or self.ready is None:
            self.items.append(data)
            self.waiting = None

    @property
    def records(self) -> list[SimpleNamespace]:
        """What came, as structs."""
        return [record(self.dut.ports[self.data].record).unpack(item) for item in self.items]


class Watch:
    """Keeps the value of some outputs in each cycle."""

    def __init__(self, dut: Dut, *names: str) -> None:
        self.dut, self.names = dut, names
        self.values: list[tuple[int, ...]] = []
        dut.agents.append(self)

    def drive(self) -> None:
        pass

    def observe(self) -> None:
        self.values.append(tuple(self.dut.get(name) for name in self.names))
