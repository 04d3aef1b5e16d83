"""The overlay that ships: ``overlays/pynq-bnn.bit`` with its .hwh and a .json that says what it is made of."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pynq_bnn.board.facts import PYNQ_Z
from pynq_bnn.board.hwh import hwh_text
from pynq_bnn.board.loading import check_files
from pynq_bnn.errors import PynqBnnError, first_line
from pynq_bnn.files import write_atomically
from pynq_bnn.program import fields
from pynq_bnn.program.config import Config

from .netlist import HW, board_sources

OVERLAYS = HW.parent / "overlays"
NAME = "pynq-bnn"
PART = PYNQ_Z.part
UNTRIED = "This bitstream has not been loaded into a device."
_REBUILD = "build it again with make -C hw"


def rtl_hash() -> str:
    """Of the names and contents of all files that a bitstream is made from."""
    return hash_of(board_sources())


def hash_of(files: Sequence[Path]) -> str:
    """Of the names and contents of ``files``, in any order."""
    total = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        total.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def interface_hash() -> str:
    """Of what driver and bitstream must agree on: registers, records of the stream, codes."""
    parts = (fields.VERSION, fields.IDENTITY,
             [(r.name, r.offset, r.access, tuple(map(tuple, r.bits))) for r in fields.REGISTERS],
             [[(field.name, field.bits) for field in word] for record in
              (fields.PROGRAM_RECORD, fields.LAYER_RECORD, fields.THRESHOLD_RECORD) for word in record],
             [(code.name, int(code)) for codes in (fields.Kind, fields.Error) for code in codes],
             fields.PROGRAM_MAGIC, fields.LAYER_MAGIC)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def install(bitstream: bytes, config: Config, mhz: float, facts: Mapping[str, Any], folder: Path | None = None) -> Path:
    """Put a bitstream, its .hwh and its .json in place; ``facts`` goes into the .json.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    folder = OVERLAYS if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    about = {"name": NAME, "part": PART, "note": UNTRIED, "rtl_sha256": rtl_hash(),
             "version": fields.VERSION, "interface_sha256": interface_hash(), "config": asdict(config),
             "clock_mhz": round(mhz, 6), **facts, "bit_sha256": hashlib.sha256(bitstream).hexdigest()}
    place = folder / f"{NAME}.bit"
    write_atomically(place, lambda path: path.write_bytes(bitstream))
    for suffix, text in ((".hwh", hwh_text(config, mhz, bitstream)), (".json", json.dumps(about, indent=2) + "\n")):
        write_atomically(place.with_suffix(suffix), lambda path, text=text: path.write_text(text, encoding="utf-8"))
    return place


def check(place: Path) -> dict[str, Any]:
    """What the .json of an overlay says, once its three files are found to be of one build and to fit this driver.

    Raises
    ------
    PynqBnnError
        Names the file that is missing, damaged or of another build, or says that driver and bitstream differ.
    """
    handoff = check_files(place)
    listing = place.with_suffix(".json")
    try:
        about = json.loads(listing.read_text(encoding="utf-8"))
        config = Config(**about["config"])
        said = {name: about[name] for name in ("rtl_sha256", "bit_sha256", "interface_sha256", "version", "clock_mhz")}
    except (OSError, ValueError, KeyError, TypeError, PynqBnnError) as error:
        raise PynqBnnError(f"{listing} is missing or damaged ({first_line(error)}); {_REBUILD}") from None
    if said["bit_sha256"] != hashlib.sha256(place.read_bytes()).hexdigest():
        raise PynqBnnError(f"{listing} describes another bitstream than {place.name}; {_REBUILD}")
    if (config, said["version"], float(said["clock_mhz"])) != (handoff.config, handoff.version, handoff.mhz):
        raise PynqBnnError(f"{listing} and {place.stem}.hwh contradict each other; {_REBUILD}")
    if said["interface_sha256"] != interface_hash():
        raise PynqBnnError(f"the registers or the stream of {place} are not those of this driver, though both have "
                           f"version {fields.VERSION}; {_REBUILD}, and raise VERSION in pynq_bnn/program/fields.py")
    return about


def main() -> int:
    parser = argparse.ArgumentParser(prog="check-overlay", description=check.__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=OVERLAYS, help="where the overlay lies (overlays/)")
    place = parser.parse_args().folder / f"{NAME}.bit"
    if not place.exists():
        print(f"check-overlay: no {place}: no overlay ships with this tree; {_REBUILD}", file=sys.stderr)
        return 1
    about = check(place)
    print(f"{place}: {Config(**about['config'])}, {about['clock_mhz']:g} MHz; its three files are of one build and fit "
          f"this driver. {about.get('note', '')}")
    if about["rtl_sha256"] != rtl_hash() and about.get("sources"):
        from .bits.sources import sources_of

        with tempfile.TemporaryDirectory() as scratch:
            sources_of(about, Path(scratch))
        print(f"It is made from the RTL of commit {about['sources']}; hw/rtl and hw/board have changed since.")
        return 0
    if about["rtl_sha256"] != rtl_hash():
        print(f"check-overlay: it is made from other RTL than hw/rtl and hw/board now hold; {_REBUILD}",
              file=sys.stderr)
        return 1
    print("It is made from the RTL as it is now.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PynqBnnError as error:
        sys.exit(f"check-overlay: {error}")
