"""Writes cases for replay.c: the shipped networks and random graphs, with the scores that other engines give."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from engine_graphs import Graph, slow_states

from pynq_bnn.backends import CpuBackend
from pynq_bnn.backends.compiled import lower
from pynq_bnn.engine import Plan, find_library, make_plan
from pynq_bnn.zoo import find_network, shipped

GRAPHS, IMAGES = 60, 9
SOURCE = ("map", "words", "height", "width", "channels", "kernel_height", "kernel_width", "stride", "padding", "fill")


def write_cases(path: Path) -> None:
    """The shipped networks in order, then random graphs; in the layout of pixels of "portable"."""
    library = find_library()
    if library is None:
        sys.exit("no compiled engine here, which brings layers into the form that is written")
    cases = []
    for name in shipped():
        network = find_network(name)
        pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, *network.input.shape), dtype=np.uint8)
        cases.append(case(lower(network, library, "portable"), pixels, CpuBackend(network).scores(pixels)))
    for seed in range(GRAPHS):
        graph = Graph(seed)
        plan = make_plan(library, graph.shape, graph.layers, one_bit=graph.one_bit, instruction_set="portable")
        scores = np.array([slow_states(graph, image)[-1] for image in graph.pixels], np.int32)
        cases.append(case(plan, graph.pixels, scores))
    path.write_bytes(integers(len(cases)) + b"".join(cases))


def case(plan: Plan, pixels: np.ndarray, scores: np.ndarray) -> bytes:
    """One plan with pictures and expected scores, as read_plan of replay.c reads it."""
    arrays = {array.ctypes.data: array for array in plan.keep if isinstance(array, np.ndarray)}
    parts = [integers(plan.library.pixel_taps(plan.number), len(pixels), scores.shape[1], plan.arena_words,
                      len(plan.structs))]
    for layer in plan.structs:
        parts.append(integers(layer.kind, layer.sources))
        parts += [integers(*(getattr(layer.source[i], name) for name in SOURCE)) for i in range(layer.sources)]
        parts.append(integers(layer.out_height, layer.out_width, layer.pool, layer.channels, layer.row_words))
        parts += [run(arrays.get(getattr(layer, name))) for name in ("weights", "levels", "shortcut_levels",
                                                                     "row_class", "column_class", "invert")]
        parts += [integers(layer.shortcut, layer.output, layer.output_words), run(arrays.get(layer.table))]
    return b"".join([*parts, run(pixels), run(scores)])


def integers(*values: int) -> bytes:
    """Little-endian 64-bit numbers."""
    return np.array(values, "<i8").tobytes()


def run(array: np.ndarray | None) -> bytes:
    """A number of bytes, and these, filled up to whole words."""
    content = b"" if array is None else array.tobytes()
    return integers(len(content)) + content + bytes(-len(content) % 8)


if __name__ == "__main__":
    write_cases(Path(sys.argv[1]))
