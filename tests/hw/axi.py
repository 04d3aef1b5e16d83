"""Memories behind the core's AXI ports, which check what AXI asks of a master."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from hw.clocked import Dut

OKAY, EXCLUSIVE_OKAY, SLAVE_ERROR, DECODE_ERROR = range(4)


def bursts(address: int, words: int) -> list[tuple[int, int]]:
    """(address, beats) of a stretch of words, cut at multiples of 128 bytes."""
    cuts, end = [], address + 8 * words
    while address < end:
        stop = min(end, (address // 128 + 1) * 128)
        cuts.append((address, (stop - address) // 8))
        address = stop
    return cuts


def check_burst(address: int, beats: int) -> None:
    """At most 16 beats of whole words, within 4 KB."""
    assert address % 8 == 0, f"burst at {address:#x}"
    assert 1 <= beats <= 16
    assert address // 4096 == (address + 8 * beats - 1) // 4096, f"{beats} beats at {address:#x} cross 4 KB"


def response(dut: Dut, bad: bool) -> int:
    """A response that is an error, or one that is none."""
    return dut.random.choice((SLAVE_ERROR, DECODE_ERROR) if bad else (OKAY, EXCLUSIVE_OKAY))


class AddressChannel:
    """Takes addresses: ar or aw. A waiting address may not change."""

    def __init__(self, dut: Dut, name: str, stall: float) -> None:
        self.dut, self.name, self.stall = dut, name, stall
        self.bursts: list[tuple[int, int]] = []
        self.waiting: tuple[int, int] | None = None
        self.ready = False

    def drive(self) -> None:
        self.ready = self.dut.random.random() >= self.stall
        self.dut.set(**{f"m_{self.name}ready_i": self.ready})

    def observe(self) -> tuple[int, int] | None:
        """The burst that was taken in this cycle."""
        if not self.dut.get(f"m_{self.name}valid_o"):
            assert self.waiting is None, f"m_{self.name}valid_o fell before its ready"
            return None
        burst = self.dut.get(f"m_{self.name}addr_o"), self.dut.get(f"m_{self.name}len_o") + 1
        assert self.waiting in (None, burst), f"m_{self.name}addr_o or len_o changed while waiting"
        check_burst(*burst)
        self.waiting = None if self.ready else burst
        if self.ready:
            self.bursts.append(burst)
        return burst if self.ready else None


class ReadMemory:
    """Answers bursts in their order, at the earliest ``latency`` cycles after their address."""

    def __init__(self, dut: Dut, word: Callable[[int], int], stall: float = 0.0, latency: int = 0) -> None:
        self.dut, self.word, self.stall, self.latency = dut, word, stall, latency
        self.address = AddressChannel(dut, "ar", stall)
        self.beats: deque[tuple[int, int, bool]] = deque()
        self.offered = False
        self.bad: set[int] = set()
        self.most_under_way = 0
        dut.agents.append(self)

    def drive(self) -> None:
        self.address.drive()
        if not self.offered and self.beats and self.beats[0][0] <= self.dut.cycles \
                and self.dut.random.random() >= self.stall:
            _, address, last = self.beats[0]
            bad = address in self.bad
            self.dut.set(m_rdata_i=self.word(address), m_rlast_i=last,
                         m_rresp_i=response(self.dut, bad))
            self.offered = True
        elif not self.offered:
            for name in ("m_rdata_i", "m_rlast_i", "m_rresp_i"):
                self.dut.scramble(name)
        self.dut.set(m_rvalid_i=self.offered)

    def observe(self) -> None:
        if self.offered and self.dut.get("m_rready_o"):
            self.offered = False
            self.beats.popleft()
        if burst := self.address.observe():
            address, beats = burst
            self.beats.extend((self.dut.cycles + self.latency, address + 8 * n, n == beats - 1) for n in range(beats))
        self.most_under_way = max(self.most_under_way, sum(last for _, _, last in self.beats))


class WriteMemory:
    """Takes bursts, keeps their words, answers each ``latency`` cycles after its last beat."""

    def __init__(self, dut: Dut, stall: float = 0.0, latency: int = 0) -> None:
        self.dut, self.stall, self.latency = dut, stall, latency
        self.address = AddressChannel(dut, "aw", stall)
        self.words: dict[int, int] = {}
        self.data: list[int] = []
        self.whole: list[list[int]] = []
        self.matched = 0
        self.answers: deque[int] = deque()
        self.answered = 0
        self.waiting: tuple[int, int, int] | None = None
        self.ready = self.offered = False
        self.bad: set[int] = set()
        dut.agents.append(self)

    def drive(self) -> None:
        self.address.drive()
        self.ready = self.dut.random.random() >= self.stall
        if not self.offered and self.answers and self.answers[0] <= self.dut.cycles:
            self.offered = True
            bad = self.answered in self.bad
            self.dut.set(m_bresp_i=response(self.dut, bad))
        elif not self.offered:
            self.dut.scramble("m_bresp_i")
        self.dut.set(m_wready_i=self.ready, m_bvalid_i=self.offered)

    def observe(self) -> None:
        self.address.observe()
        self._data()
        if self.offered and self.dut.get("m_bready_o"):
            self.offered = False
            self.answers.popleft()
            self.answered += 1
        self._match()

    def _data(self) -> None:
        if not self.dut.get("m_wvalid_o"):
            assert not self.data, "a burst stalls between its beats"
            assert self.waiting is None, "m_wvalid_o fell before m_wready_i"
            return
        beat = tuple(self.dut.get(f"m_{name}_o") for name in ("wdata", "wlast", "wstrb"))
        assert self.waiting in (None, beat), "write data changed while waiting"
        self.waiting = None if self.ready else beat
        if not self.ready:
            return
        assert beat[2] == 0xFF
        self.data.append(beat[0])
        if beat[1]:
            self.whole.append(self.data)
            self.data = []

    def _match(self) -> None:
        """A burst is there when its address and its data are."""
        while self.matched < min(len(self.whole), len(self.address.bursts)):
            address, beats = self.address.bursts[self.matched]
            data = self.whole[self.matched]
            assert len(data) == beats, f"{len(data)} beats of data for a burst of {beats}"
            for n, word in enumerate(data):
                assert address + 8 * n not in self.words, f"{address + 8 * n:#x} is written twice"
                self.words[address + 8 * n] = word
            self.answers.append(self.dut.cycles + 1 + self.latency)
            self.matched += 1

    @property
    def under_way(self) -> int:
        """Bursts whose address was taken and that were not answered."""
        return len(self.address.bursts) - self.answered
