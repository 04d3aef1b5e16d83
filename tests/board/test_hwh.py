"""pynq reads from the handoff file what the hardware is made from, whatever pynq's version."""

import pytest

from pynq_bnn.board.hwh import BASE_ADDRESS, VLNV, Handoff, bitstream_hash, clock_divisors, hwh_text, read_hwh
from pynq_bnn.errors import BackendError
from pynq_bnn.program.config import Config
from pynq_bnn.program.fields import REGISTERS, VERSION

DESIGNS = [(Config(), 100.0), (Config(), 125.0), (Config(lanes=2, pe=8, buffer_depth=256, ring_depth=32), 1000 / 7)]
ACCESS = {"r": "read-only", "w": "write-only", "rw": "read-write"}


@pytest.fixture
def parse(pynq, tmp_path):
    def parse(text):
        from pynq.metadata.runtime_metadata_parser import RuntimeMetadataParser
        from pynqmetadata.frontends import Metadata
        (tmp_path / "design.hwh").write_text(text)
        return RuntimeMetadataParser(Metadata(input=str(tmp_path / "design.hwh")))

    return parse


@pytest.mark.parametrize(("config", "mhz"), DESIGNS)
def test_pynq_finds_the_accelerator_with_its_parameters(parse, config, mhz):
    entry = parse(hwh_text(config, mhz)).ip_dict["bnn"]
    assert (entry["type"], entry["phys_addr"], entry["addr_range"]) == (VLNV, BASE_ADDRESS, 0x10000)
    values = entry["parameters"]
    assert {name: int(values[name]) for name in config.parameters} == config.parameters
    assert int(values["VERSION"]) == VERSION


@pytest.mark.parametrize(("config", "mhz"), DESIGNS)
def test_pynq_finds_every_register_and_field(parse, config, mhz):
    found = parse(hwh_text(config, mhz)).ip_dict["bnn"]["registers"]
    assert list(found) == [register.name for register in REGISTERS]
    for register in REGISTERS:
        entry = found[register.name]
        assert (entry["address_offset"], entry["size"]) == (register.offset, 32)
        assert entry["access"] == ACCESS[register.access]
        bits = register.bits or ((register.name, 0, 32),)
        assert [(n, f["bit_offset"], f["bit_width"]) for n, f in entry["fields"].items()] == list(bits)


@pytest.mark.parametrize(("config", "mhz"), DESIGNS)
def test_pynq_sets_the_clock_that_the_design_is_made_for(parse, config, mhz):
    clocks = parse(hwh_text(config, mhz)).clock_dict
    assert [clocks[n]["enable"] for n in range(4)] == [1, 0, 0, 0]
    assert 1000 / (clocks[0]["divisor0"] * clocks[0]["divisor1"]) == pytest.approx(mhz)
    if "frequency" in clocks[0]:  # from pynq 4 on
        assert clocks[0]["frequency"] == pytest.approx(mhz)


def test_an_overlay_runs_at_that_clock(pynq, new_device):
    device = new_device(mhz=125.0)
    overlay = pynq.Overlay(device.bitstream)
    assert device.mhz == pytest.approx(125)
    assert pynq.Clocks.fclk0_mhz == pytest.approx(125)
    assert device.config.lanes == overlay.bnn.register_map.ARRAY.LANES


def test_the_file_says_what_was_put_in(tmp_path):
    config = Config(lanes=3, pe=16, simd=32)
    (tmp_path / "a.hwh").write_text(hwh_text(config, 125.0, b"bits"))
    assert read_hwh(tmp_path / "a.hwh") == Handoff(config, VERSION, 125.0, bitstream_hash(b"bits"))


@pytest.mark.parametrize("mhz", [1, 10, 50, 100, 111.111, 125, 142.857, 200, 250])
def test_divisors_make_the_clock(mhz):
    a, b = clock_divisors(mhz)
    assert 1 <= b <= a <= 63
    assert 1000 / (a * b) == pytest.approx(mhz, rel=1e-3)


@pytest.mark.parametrize("mhz", [90, 0.1, 1500])
def test_a_clock_that_no_divisors_make_is_refused(mhz):
    with pytest.raises(BackendError, match="no divisors"):
        clock_divisors(mhz)


@pytest.mark.parametrize(("text", "message"), [
    ("", "no handoff file"), ("<a", "no handoff file"), ("<a/>", "describes no accelerator"),
    ('<?xml version="1.0" encoding="UTF-9"?><a/>', "no handoff file: unknown encoding"),
    (hwh_text(Config(), 100).replace(VLNV, "xilinx.com:ip:axi_gpio:2.0"), "describes no accelerator"),
    (hwh_text(Config(), 100).replace('"LANES"', '"LINES"'), "does not describe"),
    (hwh_text(Config(), 100).replace('"LANES" VALUE="8"', '"LANES" VALUE="80"'), "lanes=80"),
    (hwh_text(Config(), 100).replace('"CLOCK_MHZ" VALUE="100', '"CLOCK_MHZ" VALUE="fast'), "does not describe"),
])
def test_a_file_of_something_else_is_refused(tmp_path, text, message):
    (tmp_path / "a.hwh").write_text(text)
    with pytest.raises(BackendError, match=message):
        read_hwh(tmp_path / "a.hwh")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BackendError, match=r"no file .*a\.hwh"):
        read_hwh(tmp_path / "a.hwh")
