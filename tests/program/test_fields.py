"""Tables that Python and SystemVerilog share."""

from __future__ import annotations

import numpy as np
import pytest

from pynq_bnn.program import fields, systemverilog, tables
from pynq_bnn.simulation import core_sources, hw_directory


def test_generated_package_is_up_to_date():
    assert core_sources()[0].read_text(encoding="utf-8") == systemverilog.package(), "run: make -C hw generate"


def test_tables_of_the_hardware_readme_are_up_to_date():
    readme = (hw_directory() / "README.md").read_text(encoding="utf-8")
    assert tables.update(readme) == readme, "run: make -C hw generate"
    assert all(f"| {register.name} |" in readme for register in fields.REGISTERS)


@pytest.mark.parametrize("name", ["registers", "errors", "program", "layer", "threshold"])
def test_a_table_of_the_readme_that_is_out_of_date_is_written_again_and_nothing_else(name):
    readme = (hw_directory() / "README.md").read_text(encoding="utf-8")
    before, rest = readme.split(f"<!-- {name} -->\n")
    table, behind = rest.split(f"<!-- /{name} -->")
    assert table.count("\n") > 4
    assert tables.update(f"{before}<!-- {name} -->\n| old |\n<!-- /{name} -->{behind}") == readme


@pytest.mark.parametrize("record", [fields.PROGRAM_RECORD, fields.LAYER_RECORD, fields.THRESHOLD_RECORD])
def test_fields_of_a_record_have_their_own_bits(record):
    names = [field.name for word in record for field in word]
    assert len(set(names)) == len(names)
    assert all(sum(field.bits for field in word) <= 64 for word in record)
    for word_number, word in enumerate(record):
        shift = 0
        for field in word:
            if field.name != "check":
                empty, full = fields.pack(record, {}), fields.pack(record, {field.name: (1 << field.bits) - 1})
                mask = ((1 << field.bits) - 1) << shift
                assert (empty[word_number] ^ full[word_number]) & mask == mask
            shift += field.bits


def test_check_makes_the_parts_of_a_record_fold_to_ones():
    rng = np.random.default_rng(5)
    for record in (fields.PROGRAM_RECORD, fields.LAYER_RECORD):
        values = {f.name: int(rng.integers(0, 1 << f.bits)) for word in record for f in word if f.name != "check"}
        folded = 0
        for word in fields.pack(record, values):
            for part in range(4):
                folded ^= word >> 16 * part & 0xFFFF
        assert folded == 0xFFFF


def test_values_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="kernel = 8 does not fit 3 bits"):
        fields.pack(fields.LAYER_RECORD, {"kernel": 8})
    with pytest.raises(ValueError, match="no field is called colour"):
        fields.pack(fields.LAYER_RECORD, {"colour": 1})


def test_registers_do_not_overlap():
    offsets = [register.offset for register in fields.REGISTERS]
    assert len(set(offsets)) == len(offsets)
    assert all(offset % 4 == 0 and offset < 0x1000 for offset in offsets)
