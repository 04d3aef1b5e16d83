"""The tables of FORMAT.md, generated from the kinds of layers."""

from __future__ import annotations

import re

from .attributes import Attribute, OneOf, attributes
from .layers import LAYER_KINDS, ConvTerm


def update(document: str) -> str:
    """``document`` with the part between ``<!-- layers -->`` and ``<!-- /layers -->`` generated from the records."""
    return re.sub("(<!-- layers -->\n).*?(<!-- /layers -->)", lambda found: found[1] + _rows() + found[2], document,
                  flags=re.DOTALL)


def _rows() -> str:
    types = ", ".join(f'`"{kind.kind}"`' for kind in LAYER_KINDS)
    lines = ["| field | type, range | in | meaning |", "|---|---|---|---|",
             f"| `layers[N].type` | {types} | all | see Layers; version 1 has no `\"scores\"`: its last layer is a"
             " `bin_fc` without thresholds |",
             "| `layers[N].input` | integer, −1 to N − 1 | all, version 2 | the layer whose map it reads, −1 for the"
             " picture; version 1 lacks it, and each layer reads the map of the one before |"]
    found: dict[str, tuple[Attribute, list[tuple[str, str]]]] = {}
    for kind in LAYER_KINDS:
        for each in attributes(kind):
            found.setdefault(each.name, (each, []))[1].append((kind.kind, _values(each)))
    for name, (each, kinds) in found.items():
        ranges = sorted({values for _, values in kinds}, key=len)
        where = ", ".join(f"`{kind}`" for kind, _ in kinds)
        exact = "; ".join(f"{values} in `{kind}`" for kind, values in kinds) if len(ranges) > 1 else ranges[0]
        lines.append(f"| `layers[N].{name}` | {exact} | {where} | {each.doc} |")
    term = ", ".join(f"`{each.name}` ({_values(each)})" for each in attributes(ConvTerm))
    lines += ["| `layers[N].terms` | list of objects | all but `fp_conv`, version 2 | what is added to the sums: each"
              f" has `input`, a layer before N, and in a `bin_conv` {term} |",
              "| `layers[N].shortcut` | null, or integer 0 to N − 1 | `bin_conv` without pool and `bin_fc`, version 2 |"
              " the layer whose bit, at the same place and channel, chooses the threshold; its map has this layer's"
              " shape |"]
    return "\n".join(lines) + "\n"


def _values(each: Attribute) -> str:
    if isinstance(each.fits, OneOf):
        return ", ".join(f'`"{value}"`' if isinstance(value, str) else str(value) for value in each.fits.values)
    return f"integer {each.fits}"
