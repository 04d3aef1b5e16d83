"""A network written as a BNN-PYNQ folder comes back with the same sums and signs, by that format's own rule too."""

from dataclasses import replace

import numpy as np
import pytest
from interop import bnn_pynq_writer as slow

from pynq_bnn import load_network
from pynq_bnn.backends import CpuBackend
from pynq_bnn.errors import NetworkError, OutputError
from pynq_bnn.interop import import_folder
from pynq_bnn.interop.bnn_pynq_writer import write_folder
from pynq_bnn.network import BinConv, Scores, one_bit_codes
from pynq_bnn.zoo import TOPOLOGIES, shipped
from pynq_bnn.zoo.untrained import untrained_network


@pytest.fixture(scope="module")
def cnv():
    return load_network(shipped()["cnv-cifar10"])


def test_weights_rules_and_classes_come_back(cnv, tmp_path):
    back = import_folder(write_folder(cnv, tmp_path / "cnv"), "back")
    assert back.output.classes == cnv.output.classes
    for number, (mine, theirs) in enumerate(zip(cnv.layers, back.layers)):
        assert np.array_equal(mine.weights, theirs.weights)
        if isinstance(mine, Scores):
            continue
        assert mine.pool == theirs.pool if number < 6 else True
        # Sums have the parity of the fan-in, so two neighbouring limits may say the same.
        sums = np.arange(-mine.fan_in, mine.fan_in + 1, 1 if number == 0 else 2)
        assert np.array_equal(sums >= mine.thresholds[:, None], sums >= theirs.thresholds[:, None])


def test_with_our_codes_the_scores_are_ours(cnv, tmp_path):
    """The codes of pixels are the only thing that differs ahead of the scores."""
    back = import_folder(write_folder(cnv, tmp_path / "cnv"), "back")
    pixels = np.random.default_rng(5).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    same = replace(back, input=replace(back.input, encoding=cnv.input.encoding), golden=None)
    assert np.array_equal(CpuBackend(same).scores(pixels), CpuBackend(cnv).scores(pixels))


def test_the_formats_own_rule_reads_the_same_scores(cnv, tmp_path):
    """A slow reader of the words, which shares nothing with the package, sees neuron 11 of layer 7 as it is."""
    folder = write_folder(cnv, tmp_path / "cnv")
    inputs, simd, pe_count, neuron = 512, 8, 1, 11
    words = np.fromfile(folder / "7-0-weights.bin", "<u8")
    row = []
    for word in words[neuron // pe_count * (inputs // simd):(neuron // pe_count + 1) * (inputs // simd)]:
        row += [int(word) >> bit & 1 for bit in range(simd)]
    assert row == cnv.layers[7].weights[neuron].reshape(-1).tolist()
    limit = int(np.fromfile(folder / "7-0-thres.bin", "<i8")[neuron])
    for popcount in range(inputs + 1):
        assert (limit < popcount) == (2 * popcount - inputs >= cnv.layers[7].thresholds[neuron])


def test_only_a_cnv_fits(cnv, tmp_path):
    pooled = replace(cnv.layers[0], invert=np.ones(64, bool))
    for network, words in ((untrained_network(TOPOLOGIES["tfc-mnist"]), "other pictures"),
                           (untrained_network(TOPOLOGIES["vgg16-cifar10"]), "layers, not 9"),
                           (untrained_network(TOPOLOGIES["binarynet-cifar10"]), "layer 0"),
                           (replace(cnv, layers=(pooled, *cnv.layers[1:]), golden=None), "inverts bits of layer 0")):
        with pytest.raises(NetworkError, match=words):
            write_folder(network, tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_a_padded_convolution_and_1_bit_pixels_are_refused_though_all_weights_have_the_sizes_of_cnv(cnv, tmp_path):
    """A pixel of padding in the first layer makes maps of 32, 15, 13, 5, 3 and 1 pixels: the last one as in CNV."""
    first, rest = cnv.layers[0], cnv.layers[1:]
    padded = replace(cnv, layers=(replace(first, padding=1), *rest), golden=None)
    conv = BinConv(first.weights, np.clip(first.thresholds, -27, 28), first.invert)
    bits = replace(cnv, golden=None, input=replace(cnv.input, encoding=one_bit_codes()), layers=(conv, *rest))
    for network, words in ((padded, "padding or pool in layer 0"), (bits, "other pictures")):
        with pytest.raises(NetworkError, match=words):
            write_folder(network, tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_a_place_that_cannot_be_written_is_an_output_error(cnv, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another place"):
        write_folder(cnv, tmp_path / "file" / "cnv")


@pytest.mark.parametrize("seed", [1, 2])
def test_a_folder_of_theirs_goes_out_as_it_came_in(tmp_path, seed):
    """Thresholds at and beyond the ends of their range among them; a slow writer of its own makes the folder."""
    theirs = slow.write_folder(tmp_path / "theirs", slow.random_parameters("cnvW1A1", seed), 10)
    first = import_folder(theirs, "first")
    second = import_folder(write_folder(first, tmp_path / "ours"), "second")
    for mine, other in zip(first.layers, second.layers):
        assert np.array_equal(mine.weights, other.weights)
        assert isinstance(mine, Scores) or np.array_equal(mine.thresholds, other.thresholds)
    assert np.array_equal(first.golden.scores, second.golden.scores)
