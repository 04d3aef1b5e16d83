"""Loads a .bit file as a pynq overlay; everything that can be checked is checked before loading."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from ..errors import BackendError, first_line
from ..program.fields import VERSION
from .facts import PYNQ_Z
from .hwh import VLNV, Handoff, bitstream_hash, parse_parameters, read_hwh
from .surroundings import become_root, without_board, without_pynq

BITSTREAM = "pynq-bnn.bit"
_PART = PYNQ_Z.chip
_DATA_FIELD = 0x65


def default_bitstream() -> Path:
    """The overlay that comes with the package: ``overlays/pynq-bnn.bit`` inside it, or beside it in a checkout.

    Raises
    ------
    BackendError
        There is none.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "overlays", package.parent / "overlays"):
        if (folder / BITSTREAM).is_file():
            return folder / BITSTREAM
    raise BackendError(f"no {BITSTREAM} in {package / 'overlays'}: this copy of pynq-bnn comes without a bitstream; "
                       f"install one that has it, give the path of a .bit file, or take the backend cpu")


def find_device() -> Any:
    """pynq's active device.

    Raises
    ------
    BackendError
        pynq is missing or does not work, or there is no board.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pynq only warns where this raises an error
            from pynq.pl_server.device import Device
            device = Device.active_device
    except ImportError as error:
        raise BackendError(f"the board's overlay needs pynq ({first_line(error)}); {without_pynq()}, or take the "
                           f"backend cpu or rtl") from None
    except Exception as error:  # what pynq raises depends on its version and on what it finds
        raise BackendError(f"pynq finds no board here ({first_line(error)}); {without_board()}, or take the backend "
                           f"cpu or rtl") from None
    if getattr(device, "arch", "armv7l") != "armv7l":
        raise BackendError(f"the board's processor is {device.arch}; the overlay fits PYNQ-Z1 and Z2 (armv7l)")
    return device


def check_files(path: Path) -> Handoff:
    """Check a .bit file and the .hwh beside it, without a board.

    Raises
    ------
    BackendError
        A file is missing, damaged or for another chip, or the two are not of the same build.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BackendError(f"cannot read the bitstream {path}: {error.strerror or error}; "
                           f"give the path of a .bit file") from None
    part = _part(data, path)
    if _PART not in part:
        raise BackendError(f"{path} is for the chip {part}; PYNQ-Z1 and Z2 have an xc7z020")
    handoff = read_hwh(path.with_suffix(".hwh"))
    if handoff.bitstream and handoff.bitstream != bitstream_hash(data):
        raise BackendError(f"{path.with_suffix('.hwh')} belongs to another bitstream than {path.name}; "
                           f"take the .bit and the .hwh of one build, under the same name")
    if handoff.version != VERSION:
        raise BackendError(f"{path} has an accelerator of version {handoff.version}, this package is made for "
                           f"{VERSION}; take the overlay that came with it")
    return handoff


def _part(data: bytes, path: Path) -> str:
    """The chip in a .bit file's header; raises BackendError if the file is not a complete .bit file."""
    place, part = 2 + int.from_bytes(data[:2], "big") + 2, _PART
    while place + 5 <= len(data):
        key, (length,) = data[place], struct.unpack_from(">H", data, place + 1)
        if key == _DATA_FIELD:
            (length,) = struct.unpack_from(">I", data, place + 1)
            if place + 5 + length == len(data) and length % 4 == 0:
                return part
            break
        if key == ord("b"):
            part = data[place + 3:place + 3 + length].rstrip(b"\0").decode("ascii", "replace")
        place += 3 + length
    raise BackendError(f"{path} is no bitstream, or not a whole one; copy the .bit file again")


def load_overlay(path: Path, device: Any) -> Any:
    """Load ``path`` on ``device``; returns a ``pynq.Overlay``.

    Raises
    ------
    BackendError
        See :func:`check_files`; or pynq cannot load it.
    """
    handoff = check_files(path)
    from pynq import Overlay

    from . import ip  # noqa: F401 - binds the driver
    from .pynq_globals import active
    try:
        with active(device):
            overlay = Overlay(str(path.resolve()), device=device)
    except Exception as error:  # whatever this version of pynq or the system raises
        raise BackendError(f"pynq cannot load {path}: {type(error).__name__}, {first_line(error)}; {become_root()}"
                           ) from None
    if overlay_handoff(overlay) != handoff:
        raise BackendError(f"pynq remembers another .hwh for {path}, read before it was changed; restart the board")
    return overlay


def accelerator_ip(overlay: Any) -> Any:
    """The driver of the accelerator in ``overlay``.

    Raises
    ------
    BackendError
        It has no accelerator, or is no longer loaded.
    """
    names = [name for name, entry in _ip_dict(overlay).items() if entry.get("type") == VLNV]
    if not names:
        raise BackendError(f"the overlay {getattr(overlay, 'bitfile_name', overlay)} has no accelerator {VLNV}; "
                           f"load that of pynq-bnn")
    try:
        return reduce(getattr, names[0].split("/"), overlay)
    except RuntimeError as error:
        raise BackendError(f"the overlay cannot be used: {first_line(error)}; load it again") from None


def overlay_handoff(overlay: Any) -> Handoff:
    """What pynq has read about the accelerator in the handoff file."""
    for entry in _ip_dict(overlay).values():
        if entry.get("type") == VLNV:
            return parse_parameters(entry["parameters"], getattr(overlay, "bitfile_name", "the overlay"))
    raise BackendError(f"the overlay {getattr(overlay, 'bitfile_name', overlay)} has no accelerator {VLNV}; "
                       f"load that of pynq-bnn")


def _ip_dict(overlay: Any) -> Mapping[str, Any]:
    return getattr(overlay, "ip_dict", {})
