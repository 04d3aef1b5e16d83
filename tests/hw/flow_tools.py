"""Programs that stand for Vivado and the open tools in the tests of the flows."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

FACTS = ("vivado 2020.1\nworst_slack_ns 0.25\nworst_hold_slack_ns 0.05\n"
         "lut 30000\nff 40000\nbram18 3\nbram36 90\ndsp 8\n")


def bit_file(text: bytes = b"logic of the accelerator") -> bytes:
    """A .bit file for the boards' chip, header and all."""
    data = text + bytes(-len(text) % 4)
    fields = b"".join(key + struct.pack(">H", len(value)) + value
                      for key, value in ((b"a", b"bnn_board\0"), (b"b", b"7z020clg400\0")))
    return b"\0\x09" + bytes(9) + b"\0\1" + fields + b"e" + struct.pack(">I", len(data)) + data


def program(place: Path, body: str) -> str:
    """An executable Python script; ``argv`` and ``Path`` are there."""
    place.write_text(f"#!{sys.executable}\nimport sys\nfrom pathlib import Path\nargv = sys.argv[1:]\n{body}\n",
                     encoding="utf-8")
    place.chmod(0o755)
    return str(place)


def fake_vivado(folder: Path, body: str = "", facts: str = FACTS) -> str:
    """A Vivado that makes a bitstream at once; ``body`` runs before that."""
    return program(folder / "vivado", f"""{body}
build = Path(argv[argv.index("-tclargs") + 1])
(build / "arguments.txt").write_text("\\n".join(argv))
(build / "facts.txt").write_text({facts!r})
(build / "pynq-bnn.bit").write_bytes({bit_file()!r})""")
