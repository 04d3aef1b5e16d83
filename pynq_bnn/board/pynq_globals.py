"""pynq's process-wide state. ``pynq.Overlay`` sets the clocks of the active device, whatever device it is given."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pynq.ps
from pynq.pl_server.device import Device

_MISSING = object()
_open: list[Any] = []
_before: dict[str, Any] = {}
_lock = threading.RLock()


def _places() -> dict[str, tuple[Any, str]]:
    return {"active": (Device, "_active_device"), "clocks": (pynq.ps.Clocks, "_real_instance"),
            "clock device": (pynq.ps.Clocks, "device"), "arch": (pynq.ps, "CPU_ARCH")}


@contextlib.contextmanager
def active(device: Any) -> Iterator[None]:
    """Make ``device`` the active one within a ``with`` statement, for one thread at a time; restores all at the end."""
    with _lock:
        enter(device)
        try:
            yield
        finally:
            leave(device)


def enter(device: Any) -> None:
    """Make ``device`` the active one until :func:`leave`."""
    with _lock:
        if not _open:
            _before.update({name: vars(owner).get(key, _MISSING) for name, (owner, key) in _places().items()})
        _open.append(device)
        make_active(device)


def make_active(device: Any) -> None:
    """Make pynq use the clocks and defaults of ``device``."""
    Device.active_device = device
    if "_real_instance" in vars(pynq.ps.Clocks):
        del pynq.ps.Clocks._real_instance
    if hasattr(pynq.ps.Clocks, "set_device"):
        pynq.ps.Clocks.set_device(device)
    # pynq 3.0.1 reads this variable, where later versions ask the device.
    pynq.ps.CPU_ARCH = getattr(device, "arch", pynq.ps.CPU_ARCH)


def leave(device: Any) -> None:
    """Undo the last :func:`enter` of ``device``: the device entered before it, or the original state, is restored."""
    with _lock:
        if device not in _open:
            return
        del _open[len(_open) - 1 - _open[::-1].index(device)]
        if _open:
            make_active(_open[-1])
            return
        for name, (owner, key) in _places().items():
            if _before[name] is not _MISSING:
                setattr(owner, key, _before[name])
            elif key in vars(owner):
                delattr(owner, key)
