"""The driver leaves a port of 64 bits alone, widens one of 32, and refuses one that stays narrow."""

import pytest

from pynq_bnn.backends.overlay import OverlayBackend
from pynq_bnn.board.afi import ensure_64_bit
from pynq_bnn.errors import BackendError

READ, WRITE = 0xF800_8000, 0xF800_8014


def test_a_wide_port_is_left_alone(device, monkeypatch):
    monkeypatch.setattr(device, "write_registers", None)
    ensure_64_bit(device)


@pytest.mark.parametrize("narrow", [(READ,), (WRITE,), (READ, WRITE)])
def test_a_narrow_port_is_widened_and_nothing_else_changed(device, narrow):
    before = dict(device.system_registers)
    for address in narrow:
        device.system_registers[address] |= 1
    ensure_64_bit(device)
    assert device.system_registers == before


@pytest.mark.parametrize(("address", "direction"), [(READ, "read"), (WRITE, "write")])
def test_a_port_that_stays_narrow_is_refused(device, small_network, monkeypatch, address, direction):
    class Stuck(dict):
        def __setitem__(self, key, value):
            super().__setitem__(key, value | (key == address))

    device.system_registers[address] |= 1
    device.system_registers = Stuck(device.system_registers)
    with pytest.raises(BackendError, match=f"the {direction} channel of S_AXI_HP0 is 32 bits wide"):
        OverlayBackend(small_network, device.bitstream)
    assert not device.buffers
