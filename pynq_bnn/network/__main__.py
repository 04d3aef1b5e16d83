"""``python -m pynq_bnn.network``: generate the tables of FORMAT.md from the kinds of layers."""

from __future__ import annotations

from pathlib import Path

from .format_tables import update

if __name__ == "__main__":
    path = Path(__file__).resolve().parent / "FORMAT.md"
    path.write_text(update(path.read_text(encoding="utf-8")), encoding="utf-8")
