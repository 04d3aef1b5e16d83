"""The compiled layers against plain loops: sums of several maps, shortcuts, every padding, every instruction set."""

import platform

import numpy as np
import pytest
from engine_graphs import Graph, slow_states

from pynq_bnn.engine import BitLayer, PixelLayer, Source, make_plan
from pynq_bnn.engine.packing import place_maps, reads
from pynq_bnn.engine.plan import words
from pynq_bnn.errors import BackendError

SETS = ("neon", "portable") if platform.machine().startswith(("arm", "aarch")) else (
    "avx512", "avx2", "popcnt", "portable")


def plan_of(library, graph, instruction_set=None):
    return make_plan(library, graph.shape, graph.layers, one_bit=graph.one_bit, instruction_set=instruction_set)


@pytest.fixture(params=SETS)
def instruction_set(request, library):
    if request.param not in library.instruction_sets:
        pytest.skip(f"this processor has no {request.param}")
    return request.param


@pytest.mark.parametrize("seed", range(60))
def test_random_graphs_give_the_maps_and_scores_of_plain_loops(library, seed):
    graph = Graph(seed)
    expected = [slow_states(graph, image) for image in graph.pixels]
    for instruction_set in library.instruction_sets:
        plan = plan_of(library, graph, instruction_set)
        for layer, state in enumerate(plan.states(graph.pixels)):
            for image, states in enumerate(expected):
                wanted = states[layer]
                if wanted.ndim == 3:
                    wanted = np.packbits(wanted, axis=-1, bitorder="little")
                assert np.array_equal(state[image], wanted), f"seed {seed}, {instruction_set}, layer {layer}"
        scores = plan.scores(graph.pixels)
        assert scores.dtype == np.int32
        assert np.array_equal(scores, [states[-1] for states in expected]), f"seed {seed}, {instruction_set}"


def test_graphs_of_every_sort_are_among_the_random_ones():
    layers = [(graph, layer) for graph in map(Graph, range(60)) for layer in graph.layers]
    bits = [layer for _, layer in layers if isinstance(layer, BitLayer)]
    assert {len(layer.sources) for layer in bits} == {1, 2, 3}
    assert {layer.shortcut is None for layer in bits} == {True, False}
    assert {layer.pool for _, layer in layers} == {1, 2, 4}
    padded = [source for layer in bits for source in layer.sources if source.padding]
    assert {source.fill for source in padded} == {None, 0, 1}
    assert {source.weights.shape[3] % 64 == 0 for source in padded} == {True, False}


def test_sums_at_their_limits_are_exact(library, instruction_set):
    """Fan-ins beyond what bytes and int16 hold: every tap the same, then all but one."""
    for shape, code in (((40, 40, 3), 255), ((40, 40, 3), -128), ((1, 257, 1), 255), ((1, 259, 1), -128)):
        codes = np.full(256, code, np.int16)
        codes[1] = 0 if code > 0 else 127
        weights = np.ones((3, *shape), np.uint8)
        weights[1], weights[2].flat[7] = 0, 0
        pixels = np.zeros((2, *shape), np.uint8)
        pixels[1].flat[0] = 1
        plan = make_plan(library, shape, [PixelLayer(weights, codes)], instruction_set=instruction_set)
        values = codes[pixels].reshape(2, -1).astype(np.int64)
        assert plan.scores(pixels).tolist() == (values @ (2 * weights.reshape(3, -1).astype(np.int64).T - 1)).tolist()


@pytest.mark.parametrize("fan_in", [1, 63, 64, 65, 31 * 64, 31 * 64 + 1, 62 * 64, 63 * 64 + 5, 10_000])
def test_inputs_that_all_differ_are_counted(library, instruction_set, fan_in):
    weights = np.stack([np.zeros(fan_in), np.ones(fan_in)]).astype(np.uint8).reshape(2, 1, fan_in, 1)
    plan = make_plan(library, (1, fan_in, 1), [BitLayer([Source(-1, weights)])], one_bit=np.arange(256) > 0,
                     instruction_set=instruction_set)
    pixels = np.zeros((11, 1, fan_in, 1), np.uint8)
    pixels[1:] = 255
    assert plan.scores(pixels).tolist() == [[fan_in, -fan_in]] + [[-fan_in, fan_in]] * 10


def test_maps_in_use_at_the_same_time_do_not_overlap_and_memory_is_used_again():
    for seed in range(60):
        graph = Graph(seed)
        places = place_maps(graph.layers, graph.shapes)
        for index, layer in enumerate(graph.layers):
            alive = {index} | {read for later in graph.layers[index:] for read in reads(later) if read <= index}
            spans = sorted((places[one], places[one] + words(graph.shapes[one])) for one in alive | set(reads(layer)))
            assert all(end <= start for (_, end), (start, _) in zip(spans, spans[1:])), f"seed {seed}"
    chain = [BitLayer([Source(number - 1, np.ones((64, 1, 1, 64), np.uint8))]) for number in range(9)]
    shapes = {number: (8, 8, 64) for number in range(-1, 9)}
    assert max(place_maps(chain, shapes).values()) == 64


def test_an_instruction_set_that_is_not_here_is_refused_with_those_that_are(library):
    with pytest.raises(BackendError, match=r"no instruction set 'mmx' here; .* have .*portable"):
        plan_of(library, Graph(1), "mmx")
    missing = [number for number in range(library.handle.bnn_instruction_sets())
               if not library.handle.bnn_instruction_set_usable(number)]
    for number in (*missing, -1, 99):  # the library itself refuses too, instead of an illegal instruction
        assert library.handle.bnn_run(number, None, 0, None, 0, None, None, None) == -1
