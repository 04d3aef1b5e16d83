"""``python -m pynq_bnn.program``: generate the parts of ``hw/`` that come from the tables of this package."""

from __future__ import annotations

from pathlib import Path

from .systemverilog import package
from .tables import update

if __name__ == "__main__":
    hw = Path(__file__).resolve().parents[2] / "hw"
    (hw / "rtl" / "bnn_pkg.sv").write_text(package(), encoding="utf-8")
    readme = hw / "README.md"
    readme.write_text(update(readme.read_text(encoding="utf-8")), encoding="utf-8")
