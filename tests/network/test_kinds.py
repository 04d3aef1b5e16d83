"""A kind of layer has one home, and every part of the package knows every kind."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import fields
from pathlib import Path

import pytest
import slow_layers  # noqa: F401 - registers the reference of the tests

import pynq_bnn
from pynq_bnn.network.attributes import attributes
from pynq_bnn.network.format_tables import update
from pynq_bnn.network.handlers import Handlers
from pynq_bnn.network.layers import LAYER_KINDS, ROW_KINDS, TERM_KINDS, BinConv, Conv, FpConv


def every_part() -> list[Handlers]:
    for module in pkgutil.walk_packages(pynq_bnn.__path__, "pynq_bnn."):
        if not module.name.endswith(("__main__", "_kernels")):  # the compiled engine is no module of Python
            importlib.import_module(module.name)
    return Handlers.all


PARTS = every_part()


def test_engines_lowering_training_and_reference_are_all_there():
    assert len({part.name for part in PARTS}) == len(PARTS) >= 6


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_knows_every_kind(part):
    assert part.kinds in (LAYER_KINDS, LAYER_KINDS + TERM_KINDS, ROW_KINDS)
    assert not part.missing


def test_a_kind_registered_twice_or_unknown_is_an_error():
    parts = Handlers("made up", (Conv,))
    Handlers.all.remove(parts)
    parts.for_(Conv)(str)
    for kind in (Conv, BinConv):
        with pytest.raises(TypeError, match="made up"):
            parts.for_(kind)(str)


def test_rows_and_layers_of_convolutions_have_the_same_attributes_but_for_what_folding_decides():
    row, layer = ({each.name: each for each in attributes(kind)} for kind in (Conv, BinConv))
    assert set(row) - set(layer) == {"channels", "kernel", "order"}  # the weights' shape, and invert
    assert all(layer[name] == row[name] for name in layer)
    assert {each.name for each in attributes(FpConv)} == set(layer)


@pytest.mark.parametrize("kind", [*LAYER_KINDS, *ROW_KINDS], ids=lambda kind: kind.__name__)
def test_every_attribute_has_a_default_that_fits_and_words_for_the_document(kind):
    defaults = {field.name: field.default for field in fields(kind)}
    for each in attributes(kind):
        assert each.doc
        assert str(each.fits)
        if defaults[each.name].__class__ is each.type:
            assert each.fits.allows(defaults[each.name])


def test_the_tables_of_format_md_are_those_of_the_records():
    path = Path(pynq_bnn.__file__).parent / "network" / "FORMAT.md"
    assert update(path.read_text(encoding="utf-8")) == path.read_text(encoding="utf-8"), \
        "run python -m pynq_bnn.network"
