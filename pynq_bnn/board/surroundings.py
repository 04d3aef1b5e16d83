"""Whether this machine is a board and this process can use it; for choosing a backend and for advice in errors."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

# The processor of a Zynq-7000; the file through which Linux (and pynq) loads its programmable logic; a file that only
# the boards' images have.
_PROCESSOR = "armv7l"
_FPGA_MANAGER = Path("/sys/class/fpga_manager/fpga0/firmware")
_PYNQ_IMAGE = Path("/proc/device-tree/chosen/pynq_board")
# The script that sets up PYNQ's own Python; the variable without which pynq does not import the module after it.
_PROFILE, _VARIABLE, _DEVICES = "/etc/profile.d/pynq_venv.sh", "XILINX_XRT", "pynq.pl_server.embedded_device"
_ENTER = f"log in with sudo -i, or in a terminal of Jupyter: source {_PROFILE}"
_LOG_IN, _LOOK = "log in as root: sudo -i", "see the system's messages (dmesg), or restart the board"


def has_logic() -> bool:
    """Whether this machine appears to have programmable logic that pynq could load."""
    return platform.machine() == _PROCESSOR and _FPGA_MANAGER.exists()


def is_pynq_image() -> bool:
    """Whether this system is a PYNQ image."""
    return has_logic() and _PYNQ_IMAGE.exists()


def is_root() -> bool:
    """Whether this process runs as root; True on systems without users' rights."""
    return not hasattr(os, "geteuid") or os.geteuid() == 0


def become_root() -> str:
    """Advice for an operation that needs root."""
    return _LOG_IN if not is_root() else _LOOK


def without_pynq() -> str:
    """Advice if this Python has no pynq, or one that does not work."""
    if is_pynq_image():
        return f"{sys.executable} is not PYNQ's own Python, or not set up for it: {_ENTER}"
    return "install it on a PYNQ-Z1 or Z2 with pip install 'pynq-bnn[board]'"


def without_board() -> str:
    """Advice if pynq works but finds no board: the first likely cause."""
    if not has_logic():
        return "run this on a PYNQ-Z1 or Z2"
    if _DEVICES not in sys.modules:
        return f"{_VARIABLE} is not set, without which pynq looks for no board (plain sudo drops it): {_ENTER}"
    return become_root()
