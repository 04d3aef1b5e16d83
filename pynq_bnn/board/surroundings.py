"""What this machine and this process are, as far as using a board goes; for choosing a backend and for advice."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

# The processor of a Zynq-7000; the file by which Linux, and pynq with it, loads its programmable logic; and one that
# the boards' images alone have.
_PROCESSOR = "armv7l"
_FPGA_MANAGER = Path("/sys/class/fpga_manager/fpga0/firmware")
_PYNQ_IMAGE = Path("/proc/device-tree/chosen/pynq_board")
# What sets up PYNQ's own Python; pynq imports the module below only where the variable is set.
_PROFILE, _VARIABLE, _DEVICES = "/etc/profile.d/pynq_venv.sh", "XILINX_XRT", "pynq.pl_server.embedded_device"
_ENTER = f"log in with sudo -i, or in a terminal of Jupyter: source {_PROFILE}"
_LOG_IN, _LOOK = "log in as root: sudo -i", "see the system's messages (dmesg), or restart the board"


def has_logic() -> bool:
    """Whether this machine looks like one whose programmable logic pynq could load."""
    return platform.machine() == _PROCESSOR and _FPGA_MANAGER.exists()


def is_pynq_image() -> bool:
    """Whether the system is that of a PYNQ board."""
    return has_logic() and _PYNQ_IMAGE.exists()


def is_root() -> bool:
    """Whether this process may do all; True where there is no such thing."""
    return not hasattr(os, "geteuid") or os.geteuid() == 0


def become_root() -> str:
    """Advice where something is refused that root may do."""
    return _LOG_IN if not is_root() else _LOOK


def without_pynq() -> str:
    """Advice where this Python has no pynq, or one that does not work."""
    if is_pynq_image():
        return f"{sys.executable} is not PYNQ's own Python, or not set up for it: {_ENTER}"
    return "install it on a PYNQ-Z1 or Z2 with pip install 'pynq-bnn[board]'"


def without_board() -> str:
    """Advice where pynq works and finds no board: the first cause that shows."""
    if not has_logic():
        return "run this on a PYNQ-Z1 or Z2"
    if _DEVICES not in sys.modules:
        return f"{_VARIABLE} is not set, without which pynq looks for no board (plain sudo drops it): {_ENTER}"
    return become_root()
