"""bnn_params: random programs are taken apart as they were put together; wrong ones end with the right code."""

import cocotb
from hw.bench import Bench
from hw.clocked import STALLS, Dut, Sink, Source
from hw.records import layer_words, program_words

from pynq_bnn.program.fields import Error, Kind

BENCH = Bench("bnn_params", {"small": {"PE": 8, "RING_DEPTH": 8}, "wide": {"PE": 64, "RING_DEPTH": 16}})
RECORD = {"layers": 1, "in_words": 3, "out_words": 2, "slots": 1}
LATE = 6  # words that are taken until an error is found


def test_bnn_params(simulate):
    simulate(BENCH)


class Program:
    """Random headers and tiles, as words."""

    def __init__(self, rng, parameters, layers):
        self.record = program_words(layers=layers, in_words=rng.randint(1, 9999), out_words=rng.randint(1, 9999),
                                    slots=rng.randint(1, 99), classes=rng.randint(0, 999), in_base=rng.randint(0, 9999))
        self.headers, self.tiles, self.words = [], [], list(self.record)
        for index in range(layers):
            planes = rng.random() < 0.25
            tiles, rows = (1, 0) if planes else (rng.randint(1, 3), rng.randint(2, 8))
            kind = Kind.PLANES if planes else rng.choice([Kind.FP_CONV, Kind.BIN_CONV, Kind.BIN_FC])
            header = layer_words(kind=kind, index=index, last=index == layers - 1, tiles=tiles, rows=rows,
                                 in_height=rng.randint(1, 99), kernel=rng.randint(1, 7))
            self.headers += header
            self.words += header
            for _ in range(tiles if rows else 0):
                tile = [[rng.getrandbits(64) for _ in range(parameters.PE)] for _ in range(rows)]
                self.tiles.append(tile)
                self.words += [word for row in tile for word in row]


class Ring:
    """The ring memories as write_o fills them; gives tiles back when they are whole, some time later."""

    def __init__(self, dut, tiles, stall):
        self.dut, self.tiles, self.stall = dut, tiles, stall
        self.memory, self.place, self.written, self.freed, self.read = {}, 0, 0, 0, 0
        self.release = False
        dut.agents.append(self)

    def drive(self):
        rows = len(self.tiles[self.read]) if self.read < len(self.tiles) else 0
        whole = rows and self.written // self.dut.parameters.PE - self.freed >= rows
        self.release = bool(whole) and self.dut.random.random() >= self.stall
        self.dut.set(release_i=self.release, release_rows_i=rows)

    def observe(self):
        # A row counts a cycle after its last word.
        complete = self.written // self.dut.parameters.PE - self.freed
        assert self.dut.get("rows_o") == complete <= self.dut.parameters.RING_DEPTH
        write = self.dut.fields("write_o")
        if write.valid:
            assert write.pe == self.written % self.dut.parameters.PE
            self.memory[write.row, write.pe] = write.data
            self.written += 1
        if self.release:
            tile = self.tiles[self.read]
            depth = self.dut.parameters.RING_DEPTH
            found = [[self.memory[(self.freed + n) % depth, pe] for pe in range(self.dut.parameters.PE)]
                     for n in range(len(tile))]
            assert found == tile, f"tile {self.read} was overwritten or misplaced"
            self.freed += len(tile)
            self.read += 1


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances), stalls=list(STALLS), seed=[1, 2, 3])
async def headers_and_tiles_of_repeated_programs_come_out(top, instance, stalls, seed):
    dut = Dut(top, BENCH, instance, seed)
    stall_in, stall_out = STALLS[stalls]
    program = Program(dut.random, dut.parameters, layers=[1, 4, 7][seed - 1])
    passes = 2
    source = Source(dut, "valid_i", "ready_o", "data_i", program.words * passes, stall_in)
    headers = Sink(dut, "layer_valid_o", "layer_ready_i", "layer_word_o", stall_out)
    ring = Ring(dut, program.tiles * passes, stall_out)
    dut.set(words_i=len(program.words))
    await dut.reset()
    await dut.until(lambda: source.done and ring.read == len(ring.tiles) and
                    len(headers.items) == passes * len(program.headers), limit=40_000)
    assert headers.items == program.headers * passes, f"seed {seed}"
    assert dut.get("program_valid_o") == 1
    assert dut.get("program_o") == sum(word << 64 * n for n, word in enumerate(program.record)), f"seed {seed}"
    assert dut.get("error_o") == Error.NONE, f"seed {seed}"
    if stalls == "none":
        # A word a cycle, a cycle between rows and headers, and rows that wait for a whole tile's return.
        rows = sum(map(len, ring.tiles)) + 2 * len(program.tiles) * passes
        assert dut.cycles <= source.taken + rows + 60


@cocotb.test()
async def a_full_ring_and_a_full_header_queue_hold_the_stream(top):
    dut = Dut(top, BENCH, "small")
    rows = [[dut.random.getrandbits(64) for _ in range(8)] for _ in range(12)]
    words = program_words(**RECORD) + layer_words(kind=Kind.BIN_FC, tiles=3, rows=4, last=1) + sum(rows, [])
    source = Source(dut, "valid_i", "ready_o", "data_i", words)
    dut.set(words_i=len(words))
    await dut.reset()
    await dut.cycle(150)
    assert source.taken == 3 + 5 + 8 * 8
    assert dut.get("rows_o") == 8
    dut.set(release_i=1, release_rows_i=4)
    await dut.cycle()
    dut.set(release_i=0)
    await dut.cycle(150)
    assert (dut.get("rows_o"), source.taken) == (8, len(words))
    dut.agents.clear()
    headers = sum((layer_words(kind=Kind.PLANES, tiles=1, index=n) for n in range(10)), [])
    source = Source(dut, "valid_i", "ready_o", "data_i", program_words(**RECORD) + headers)
    dut.set(words_i=100)
    await dut.reset()
    await dut.cycle(100)
    assert 3 + 28 < source.taken <= 3 + 32
    assert dut.get("error_o") == Error.NONE


async def run_words(dut, words, length):
    """Feed words until an error or until nothing moves; gives (error, layer, words taken)."""
    dut.agents.clear()
    source = Source(dut, "valid_i", "ready_o", "data_i", words)
    Sink(dut, "layer_valid_o", "layer_ready_i", "layer_word_o")
    dut.set(words_i=length)
    await dut.reset()
    for _ in range(len(words) + 10):
        await dut.cycle()
        if dut.get("error_o"):
            break
    await dut.cycle(4)
    taken = source.taken
    await dut.cycle(10)
    assert not dut.get("error_o") or source.taken == taken, "words were taken after an error"
    return dut.get("error_o"), dut.get("layer_o"), taken


def flat_program(dut, first=None, second=None, record=None):
    """Two layers, planes and a Bin-FC of one tile; fields of either or of the record can be changed."""
    tile = [dut.random.getrandbits(64) for _ in range(2 * dut.parameters.PE)]
    return [*program_words(**{**RECORD, "layers": 2, **(record or {})}),
            *layer_words(**{"kind": Kind.PLANES, "tiles": 1, "index": 0, **(first or {})}),
            *layer_words(**{"kind": Kind.BIN_FC, "tiles": 1, "rows": 2, "index": 1, "last": 1, **(second or {})}),
            *tile]


@cocotb.test()
@cocotb.parametrize(field=["magic", "version", "layers", "in_words", "out_words", "slots"])
async def a_record_that_makes_no_sense_is_an_error(top, field):
    dut = Dut(top, BENCH, "small")
    words = flat_program(dut, record={field: 0})
    error, _, taken = await run_words(dut, words, len(words))
    assert error == Error.PROGRAM
    assert taken <= 3 + LATE


@cocotb.test()
@cocotb.parametrize(bit=range(0, 192, 13))
async def a_flipped_bit_of_the_record_is_an_error(top, bit):
    dut = Dut(top, BENCH, "small")
    words = flat_program(dut)
    words[bit // 64] ^= 1 << bit % 64
    assert (await run_words(dut, words, len(words)))[0] == Error.PROGRAM, f"bit {bit}"


@cocotb.test()
@cocotb.parametrize(("fault", [
    ("first", {"magic": 0xB51F}), ("second", {"magic": 0}), ("first", {"index": 1}), ("second", {"index": 0}),
    ("first", {"tiles": 2}), ("first", {"rows": 1}), ("first", {"tiles": 0}), ("second", {"tiles": 0}),
    ("second", {"rows": 1}), ("second", {"rows": 0}), ("second", {"rows": 9}), ("second", {"rows": 65535}),
    ("second", {"kind": 0}), ("second", {"kind": 5}), ("second", {"kind": 15})]))
async def a_header_that_makes_no_sense_is_an_error_and_is_named(top, fault):
    dut = Dut(top, BENCH, "small")
    which, fields = fault
    words = flat_program(dut, **{which: fields})
    error, layer, _ = await run_words(dut, words, len(words))
    assert (error, layer) == (Error.HEADER, 0 if which == "first" else 1), f"{which} {fields}"


@cocotb.test()
@cocotb.parametrize(bit=range(0, 320, 17))
async def a_flipped_bit_of_a_header_is_an_error_and_is_named(top, bit):
    dut = Dut(top, BENCH, "small")
    words = flat_program(dut)
    words[8 + bit // 64] ^= 1 << bit % 64
    error, layer, _ = await run_words(dut, words, len(words))
    assert (error, layer) == (Error.HEADER, 1), f"bit {bit}"


@cocotb.test()
async def a_program_of_another_length_is_an_error(top):
    dut = Dut(top, BENCH, "small")
    words = flat_program(dut)
    for length in [*range(len(words)), len(words) + 1, len(words) + 40]:
        error, _, taken = await run_words(dut, words * 2, length)
        assert error == Error.ENDED, f"length {length} of {len(words)}"
        assert 0 <= taken - min(length, len(words)) <= (LATE if length > len(words) else 0), f"length {length}"
    assert (await run_words(dut, words * 2, len(words)))[0] == Error.NONE


@cocotb.test()
@cocotb.parametrize(("fault", [("first", {"last": 1}), ("second", {"last": 0})]))
async def the_last_layer_ends_the_program(top, fault):
    dut = Dut(top, BENCH, "small")
    words = flat_program(dut, **{fault[0]: fault[1]})
    assert (await run_words(dut, words * 2, len(words)))[0] == Error.ENDED


@cocotb.test()
@cocotb.parametrize(seed=range(6))
async def a_reset_in_the_middle_leaves_nothing_behind(top, seed):
    dut = Dut(top, BENCH, "small", seed)
    program = Program(dut.random, dut.parameters, 4)
    Source(dut, "valid_i", "ready_o", "data_i", program.words)
    Ring(dut, program.tiles, 0.5)
    dut.set(words_i=len(program.words))
    await dut.reset()
    await dut.cycle(dut.random.randint(1, len(program.words)))
    dut.agents.clear()
    ring = Ring(dut, program.tiles, 0.5)
    headers = Sink(dut, "layer_valid_o", "layer_ready_i", "layer_word_o", 0.3)
    Source(dut, "valid_i", "ready_o", "data_i", program.words)
    await dut.reset()
    await dut.until(lambda: ring.read == len(ring.tiles) and len(headers.items) == len(program.headers), limit=20_000)
    assert headers.items == program.headers, f"seed {seed}"
