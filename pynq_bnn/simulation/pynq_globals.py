"""What pynq keeps for the whole process, set for a simulated device and put back behind the last of them."""

from __future__ import annotations

from typing import Any

import pynq.ps
from pynq.pl_server.device import Device

_MISSING = object()
_open: list[Any] = []
_before: dict[str, Any] = {}


def _places() -> dict[str, tuple[Any, str]]:
    return {"active": (Device, "_active_device"), "clocks": (pynq.ps.Clocks, "_real_instance"),
            "clock device": (pynq.ps.Clocks, "device"), "arch": (pynq.ps, "CPU_ARCH")}


def enter(device: Any) -> None:
    """Make ``device`` the active one until :func:`leave`."""
    if not _open:
        _before.update({name: vars(owner).get(key, _MISSING) for name, (owner, key) in _places().items()})
    _open.append(device)
    make_active(device)


def make_active(device: Any) -> None:
    """pynq's clocks and defaults are those of ``device`` from now on."""
    Device.active_device = device
    if "_real_instance" in vars(pynq.ps.Clocks):
        del pynq.ps.Clocks._real_instance
    if hasattr(pynq.ps.Clocks, "set_device"):
        pynq.ps.Clocks.set_device(device)
    pynq.ps.CPU_ARCH = device.arch  # pynq 3.0.1 asks it instead of the device


def leave(device: Any) -> None:
    """Forget ``device``; the one opened before it, or what was before all, is active again."""
    if device not in _open:
        return
    _open.remove(device)
    if _open:
        make_active(_open[-1])
        return
    for name, (owner, key) in _places().items():
        if _before[name] is not _MISSING:
            setattr(owner, key, _before[name])
        elif key in vars(owner):
            delattr(owner, key)
