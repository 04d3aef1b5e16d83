"""The overlay that ships, and the check that judges it."""

import json

import pytest
from flows import overlay
from flows.overlay import NAME, OVERLAYS, check, install, main
from hw.flow_tools import bit_file

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.program import fields
from pynq_bnn.program.config import Config

FACTS = {"flow": "openxc7", "lut": 1, "ff": 2, "bram36": 3, "dsp": 4, "worst_slack_ns": 0.1}


@pytest.fixture
def made(tmp_path):
    """An overlay of the present sources."""
    return install(bit_file(), Config(lanes=4), 100.0, FACTS, tmp_path)


def change(made, **values):
    listing = made.with_suffix(".json")
    listing.write_text(json.dumps({**json.loads(listing.read_text()), **values}))


def test_what_ships_has_the_registers_and_the_stream_of_the_driver():
    shipped = sorted(OVERLAYS.glob("*.bit")) if OVERLAYS.exists() else []
    assert [file.name for file in shipped] in ([], [f"{NAME}.bit"])
    for place in shipped:
        assert check(place)["note"] == overlay.UNTRIED
    if not shipped:  # nor anything that belongs to one
        assert not [file for file in OVERLAYS.glob("*") if file.suffix in (".hwh", ".json")]


def test_a_whole_overlay_passes_and_says_what_it_is(made, monkeypatch, capsys):
    about = check(made)
    assert about["version"] == fields.VERSION
    assert {name: about[name] for name in FACTS} == FACTS
    monkeypatch.setattr("sys.argv", ["check-overlay", str(made.parent)])
    assert main() == 0
    assert "made from the RTL as it is now" in capsys.readouterr().out


def test_another_state_of_the_sources_is_told(made, monkeypatch, capsys):
    change(made, rtl_sha256="0" * 64)
    monkeypatch.setattr("sys.argv", ["check-overlay", str(made.parent)])
    assert main() == 1
    assert "made from other RTL" in capsys.readouterr().err


def test_no_overlay_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["check-overlay", str(tmp_path)])
    assert main() == 1
    assert "no overlay ships" in capsys.readouterr().err


@pytest.mark.parametrize(("table", "value"), [
    ("REGISTERS", fields.REGISTERS[:-1]), ("LAYER_RECORD", fields.LAYER_RECORD[::-1]), ("LAYER_MAGIC", 1)])
def test_a_driver_with_other_registers_or_another_stream_refuses_it(made, monkeypatch, table, value):
    monkeypatch.setattr(fields, table, value)
    with pytest.raises(PynqBnnError, match="are not those of this driver"):
        check(made)


@pytest.mark.parametrize(("values", "message"), [
    ({"bit_sha256": "0"}, "describes another bitstream"), ({"clock_mhz": 125.0}, "contradict each other"),
    ({"config": {"lanes": 8}}, "contradict each other"), ({"config": {"lanes": 99}}, "missing or damaged"),
    ({"version": fields.VERSION + 1}, "contradict each other"), ({"interface_sha256": "0"}, "not those of this driver"),
])
def test_a_listing_that_does_not_fit_is_refused(made, values, message):
    change(made, **values)
    with pytest.raises(PynqBnnError, match=message):
        check(made)


def test_missing_and_damaged_files_are_told(made):
    made.with_suffix(".json").write_text("{")
    with pytest.raises(PynqBnnError, match="pynq-bnn.json is missing or damaged"):
        check(made)
    made.with_suffix(".hwh").unlink()
    with pytest.raises(PynqBnnError, match="no file .*pynq-bnn.hwh"):
        check(made)
    made.write_bytes(made.read_bytes()[:-4])
    with pytest.raises(PynqBnnError, match="no bitstream, or not a whole one"):
        check(made)


def test_the_hash_follows_every_source(tmp_path, monkeypatch):
    files = []
    for name in ("a.sv", "b.sv"):
        (tmp_path / name).write_text(name)
        files.append(tmp_path / name)
    monkeypatch.setattr(overlay, "board_sources", lambda: files)
    first = overlay.rtl_hash()
    files.reverse()
    assert overlay.rtl_hash() == first
    files[0].write_text("changed")
    assert overlay.rtl_hash() != first
