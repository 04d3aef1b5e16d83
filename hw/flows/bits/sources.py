"""The sources of an overlay: those of the tree, or those of the commit that its .json names."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from flows.netlist import HW, board_sources
from flows.overlay import hash_of
from pynq_bnn.errors import PynqBnnError

_FOLDERS = ("hw/rtl", "hw/board")


def sources_of(about: dict[str, object], folder: Path) -> list[Path]:
    """The SystemVerilog files that an overlay was made from, packages before their users.

    They are taken from the tree where it has them as they were, else from git's history into ``folder``.

    Raises
    ------
    PynqBnnError
        Neither has them.
    """
    wanted = about["rtl_sha256"]
    if hash_of(board_sources()) == wanted:
        return board_sources()
    commit = str(about.get("sources", ""))
    if not commit:
        raise PynqBnnError("the overlay is made from other RTL than hw/rtl and hw/board hold, and its .json names no "
                           "commit (\"sources\") that has it")
    _unpack(commit, folder)
    files = [*_in_order(folder / "hw" / "rtl"), *sorted((folder / "hw" / "board").glob("*.sv"))]
    if hash_of(files) != wanted:
        raise PynqBnnError(f"the RTL of commit {commit} is not what the overlay's .json says it is made from "
                           f"({wanted})")
    return files


def _unpack(commit: str, folder: Path) -> None:
    command = ["git", "-C", str(HW.parent), "archive", "--format=tar", commit, *_FOLDERS]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        raise PynqBnnError(f"git does not run ({error.strerror}), and only it has the RTL of this overlay "
                           f"(commit {commit})") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise PynqBnnError(f"the RTL of this overlay (commit {commit}) is not in this clone: "
                           f"{said[-1] if said else 'git said nothing'}; git fetch --unshallow brings the history")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")


def _in_order(folder: Path) -> list[Path]:
    # As core_sources() of the simulation has them: bnn_pkg before bnn_types before the modules.
    first = ["bnn_pkg.sv", "bnn_types.sv"]
    files = sorted(folder.glob("*.sv"), key=lambda file: file.name)
    return [*(folder / name for name in first), *(file for file in files if file.name not in first)]
