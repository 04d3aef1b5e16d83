"""Records of a network: contradictions are refused by name, scores become labels as stated."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from pynq_bnn.errors import NetworkError
from pynq_bnn.network import (
    BinConv,
    BinFc,
    BitCodes,
    ByteCodes,
    FpConv,
    Golden,
    InputSpec,
    Network,
    OutputSpec,
    Scores,
    one_bit_codes,
    read_network,
    signed_codes,
    write_network,
)

UNSIGNED = np.arange(256)


def bits(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 2, shape, dtype=np.uint8)


def hidden(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(count, np.int32), np.zeros(count, bool)


def fp(out=4, kernel=3, cin=3, **kw):
    return FpConv(bits(out, kernel, kernel, cin), *hidden(out), **kw)


def conv(out=4, kernel=3, cin=4, **kw):
    return BinConv(bits(out, kernel, kernel, cin), *hidden(out), **kw)


def fc(out, fan_in):
    return BinFc(bits(out, fan_in), *hidden(out))


def last(fan_in, out=2):
    return Scores(bits(out, fan_in))


def spec(height=8, width=8, channels=3, codes=None, bit_count=8, **kw):
    codes = signed_codes().codes if codes is None else getattr(codes, "codes", codes)
    return InputSpec(height, width, channels, {8: ByteCodes, 1: BitCodes}[bit_count](codes), **kw)


def output(count=2, **kw):
    return OutputSpec(tuple(f"c{i}" for i in range(count)), np.ones(count), np.zeros(count), **kw)


def network(*layers, entry=None, out=None, **kw):
    return Network("n", entry or spec(), layers, out or output(), **kw)


ONE_BIT = spec(channels=1, codes=one_bit_codes(), bit_count=1)


# --- chains -----------------------------------------------------------------------------------------------

def test_a_fitting_chain_is_accepted_and_counted():
    net = network(fp(padding=1, pool=2), conv(out=6, stride=2, padding=1), last(2 * 2 * 6))
    assert [node.input.shape for node in net.nodes] == [(8, 8, 3), (4, 4, 4), (2, 2, 6)]
    assert net.weight_bits == 4 * 27 + 6 * 36 + 2 * 24
    assert net.macs == 64 * 4 * 27 + 4 * 6 * 36 + 2 * 24
    assert [node.bound for node in net.nodes] == [27 * 128, 36, 24]


CHAINS = {
    "no layer at all": (lambda: network(), "at least one layer"),
    "channels of the picture": (lambda: network(fp(cin=1), last(144)), "layer 0 .*3 channels"),
    "channels between layers": (lambda: network(fp(), conv(cin=5), last(64)), "layer 1 .*4 channels.*5"),
    "fan-in of the last layer": (lambda: network(fp(), last(143)), "layer 1 .*143"),
    "fan-in between fc layers": (lambda: network(fc(5, 192), fc(5, 6), last(5)), "layer 1 .*6 inputs"),
    "thresholds in the last layer": (lambda: network(fp(), fc(2, 144)), "layer 1 .*last"),
    "no thresholds in the middle": (lambda: network(last(192, 5), last(5)), "layer 0 .*last"),
    "a convolution at the end": (lambda: network(fp()), "layer 0 .*last"),
    "fp_conv behind another layer": (lambda: network(fp(), fp(cin=4), last(64)), "layer 1 .*fp_conv"),
    "fp_conv on 1-bit input": (lambda: network(fp(cin=1), last(144), entry=ONE_BIT), "layer 0 .*fp_conv"),
    "bin_conv on 8-bit input": (lambda: network(conv(cin=3), last(144)), "layer 0 .*fp_conv"),
    "+1 padding of the picture": (
        lambda: network(conv(cin=1, padding=1, pad_value="one"), last(256), entry=ONE_BIT), "layer 0 .*padding"),
    "window larger than the map": (lambda: network(fp(kernel=7), conv(kernel=3), last(4)), "layer 1 .*window"),
    "pool larger than the map": (lambda: network(fp(kernel=6, pool=4), last(4)), "layer 0 .*pool"),
    "more outputs than classes": (lambda: network(fp(), last(144, 3)), "3 outputs for 2 classes"),
    "fewer outputs than classes": (lambda: network(fp(), last(144, 1)), "1 outputs for 2 classes"),
    "golden image of another size": (
        lambda: network(fp(), last(144), golden=Golden(np.zeros((8, 9, 3), np.uint8), np.zeros(2, np.int32))),
        "golden image"),
    "golden image of floats": (
        lambda: network(fp(), last(144), golden=Golden(np.zeros((8, 8, 3)), np.zeros(2, np.int32))), "golden image"),
    "golden scores too few": (
        lambda: network(fp(), last(144), golden=Golden(np.zeros((8, 8, 3), np.uint8), np.zeros(1, np.int32))),
        "golden scores"),
}


@pytest.mark.parametrize(("make", "says"), CHAINS.values(), ids=CHAINS)
def test_a_contradiction_in_a_chain_is_refused_and_located(make, says):
    with pytest.raises(NetworkError, match=says):
        make()


@pytest.mark.parametrize(("codes", "bit_count", "largest"), [(UNSIGNED, 8, 255), (signed_codes(), 8, 128),
                                                           (one_bit_codes(), 1, 1)])
def test_sums_of_two_to_the_24_are_refused_and_those_just_below_accepted(codes, bit_count, largest):
    def net(height, width):
        return network(Scores(np.zeros((2, height * width), np.uint8)),
                       entry=spec(height, width, 1, codes=codes, bit_count=bit_count))

    refused = -(-2**24 // largest)  # the smallest fan-in whose sums reach 2**24
    width = 4096 if refused > 2**17 else 256
    height = -(-refused // width)
    with pytest.raises(NetworkError, match="layer 0 .*2²⁴"):
        net(height, width)
    assert net(height - 1, width).nodes[0].bound == (height - 1) * width * largest < 2**24


# --- layers -----------------------------------------------------------------------------------------------

LAYERS = {
    "weights of two dimensions": (lambda: BinConv(bits(4, 9), *hidden(4)), "weights"),
    "weights of four dimensions": (lambda: Scores(bits(4, 3, 3, 1)), "weights"),
    "no weights": (lambda: Scores(bits(0, 5)), "weights"),
    "weights of ±1": (lambda: Scores(np.array([[1, -1]], np.int8)), "bits"),
    "weights of 2": (lambda: Scores(np.array([[0, 2]], np.uint8)), "bits"),
    "float weights": (lambda: Scores(np.ones((2, 2))), "bits"),
    "a window that is not square": (lambda: BinConv(bits(4, 3, 2, 1), *hidden(4)), "kernel"),
    "a window of 8": (lambda: conv(kernel=8), "kernel"),
    "stride 3": (lambda: conv(stride=3), "stride is 3"),
    "stride 0": (lambda: fp(stride=0), "stride is 0"),
    "stride 1.0": (lambda: fp(stride=1.0), "stride is 1.0"),
    "padding of a whole kernel": (lambda: conv(padding=3), "padding is 3"),
    "negative padding": (lambda: conv(padding=-1), "padding is -1"),
    "padding True": (lambda: conv(padding=True), "padding is True"),
    "pool 3": (lambda: conv(pool=3), "pool is 3"),
    "pool True": (lambda: conv(pool=True), "pool is True"),
    "pad_value minus": (lambda: conv(pad_value="minus"), "pad_value is 'minus'"),
    "thresholds of another count": (lambda: BinFc(bits(4, 9), *hidden(3)), "thresholds"),
    "float thresholds": (lambda: BinFc(bits(2, 9), np.zeros(2), np.zeros(2, bool)), "thresholds"),
    "thresholds beyond 2**24": (lambda: BinFc(bits(1, 9), np.array([2**24 + 1]), np.zeros(1, bool)), "thresholds"),
    "the lowest int64": (lambda: BinFc(bits(1, 9), np.array([-2**63]), np.zeros(1, bool)), "thresholds"),
    "thresholds without invert": (lambda: BinFc(bits(1, 9), np.array([1]), None), "invert"),
    "invert without thresholds": (lambda: BinFc(bits(1, 9), None, np.zeros(1, bool)), "invert"),
    "a convolution without thresholds": (lambda: BinConv(bits(1, 3, 3, 1), None, None), "thresholds"),
    "invert of another count": (lambda: BinFc(bits(2, 9), np.zeros(2, int), np.zeros(1, bool)), "invert"),
    "invert of 2": (lambda: BinFc(bits(1, 9), np.zeros(1, int), np.full(1, 2, np.uint8)), "invert"),
    "too many channels": (lambda: Scores(bits(65537, 1)), "65537 output channels"),
}


@pytest.mark.parametrize(("make", "says"), LAYERS.values(), ids=LAYERS)
def test_an_impossible_layer_is_refused_and_the_field_named(make, says):
    with pytest.raises(NetworkError, match=says):
        make()


@pytest.mark.parametrize("pool", [1, 2, 4])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5, 7])
def test_map_sizes_are_those_of_counting_windows_by_hand(kernel, stride, pool):
    for height, padding in ((h, p) for h in range(7, 20) for p in range(kernel)):
        windows = [y for y in range(-padding, height + padding) if (y + padding) % stride == 0
                   and y + kernel <= height + padding]
        pools = [i for i in range(0, len(windows), pool) if i + pool <= len(windows)]
        layer = conv(out=2, kernel=kernel, cin=1, stride=stride, padding=padding, pool=pool)
        assert layer.sums_shape((height, height, 1)) == (len(windows), len(windows), 2)
        if pools:
            assert layer.output_shape((height, height, 1)) == (len(pools), len(pools), 2)


def test_boolean_weights_become_bytes_and_records_keep_integer_types():
    layer = BinFc(np.array([[True, False]]), np.array([5], np.int64), np.array([1], np.uint8))
    assert (layer.weights.dtype, layer.thresholds.dtype, layer.invert.dtype) == (np.uint8, np.int32, bool)


# --- input --------------------------------------------------------------------------------------------------

INPUTS = {
    "height 0": (lambda: spec(height=0), "input size"), "width 4097": (lambda: spec(width=4097), "input size"),
    "a float side": (lambda: spec(height=8.0), "input size"), "two channels": (lambda: spec(channels=2), "channels 2"),
    "channels True": (lambda: spec(channels=True), "channels True"),
    "bare codes": (lambda: InputSpec(8, 8, 3, np.arange(256)), "encoding of type ndarray"),
    "255 codes": (lambda: spec(codes=np.arange(255)), "codes"),
    "float codes": (lambda: spec(codes=np.arange(256) / 2), "codes"),
    "codes of 256": (lambda: spec(codes=np.arange(1, 257)), "codes"),
    "signed codes above 127": (lambda: spec(codes=np.arange(256) - 1), "codes"),
    "codes below -128": (lambda: spec(codes=np.arange(256) - 200), "codes"),
    "codes that would wrap": (lambda: spec(codes=np.full(256, 65536 + 7)), "codes"),
    "unsigned codes that would wrap": (lambda: spec(codes=np.full(256, 2**64 - 1, np.uint64)), "codes"),
    "1-bit codes of 0": (lambda: spec(codes=np.zeros(256, int), bit_count=1), "codes"),
    "an unknown fit": (lambda: spec(fit="squash"), "fit 'squash'"),
    "background 256": (lambda: spec(background=256), "background 256"),
}


@pytest.mark.parametrize(("make", "says"), INPUTS.values(), ids=INPUTS)
def test_an_impossible_input_is_refused_and_the_field_named(make, says):
    with pytest.raises(NetworkError, match=says):
        make()


def test_signed_codes_are_the_pixel_minus_128_and_one_bit_codes_its_comparison():
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert spec().encode(pixels).ravel().tolist() == [p - 128 for p in range(256)]
    for threshold in (1, 128, 255):
        codes = spec(codes=one_bit_codes(threshold), bit_count=1).encode(pixels).ravel()
        assert codes.tolist() == [1 if p >= threshold else -1 for p in range(256)]


@pytest.mark.parametrize("name", ["می\u200cخواهم", "क्\u200dष", "a\u00a0b", "広い\u3000空", "👩\u200d🚀", "\U0003fffd",
                                  "a" * 200])
def test_names_of_every_script_are_read_back(name):
    named = network(last(192, 2), out=OutputSpec((name, "b"), np.ones(2), np.zeros(2)))
    assert read_network(write_network(named)).output.classes == (name, "b")


def test_the_largest_code_is_that_of_the_number_format():
    assert spec(codes=UNSIGNED).map.largest == 255
    assert spec(codes=UNSIGNED // 4).map.largest == 255
    assert spec().map.largest == 128
    assert ONE_BIT.map.largest == 1


# --- output -------------------------------------------------------------------------------------------------

OUTPUTS = {
    "no class": (lambda: output(0), "0 classes"), "too many classes": (lambda: output(1025), "1025 classes"),
    "an empty class name": (lambda: OutputSpec(("",), np.ones(1), np.ones(1)), "class name"),
    "a class name of two lines": (lambda: OutputSpec(("a\nb",), np.ones(1), np.ones(1)), "class name"),
    "a class name that turns the line round": (
        lambda: OutputSpec(("a\u202eb",), np.ones(1), np.ones(1)), "u202e.*rename"),
    "a class name of a file name that is no UTF-8": (
        lambda: OutputSpec(("a\udcff",), np.ones(1), np.ones(1)), "udcff.*rename"),
    "a class name of joiners alone": (lambda: OutputSpec(("\u200c\u200d",), np.ones(1), np.ones(1)), "class name"),
    "a class name of 201 letters": (lambda: OutputSpec(("a" * 201,), np.ones(1), np.ones(1)), "1 to 200"),
    "a class that is a number": (lambda: OutputSpec((3,), np.ones(1), np.ones(1)), "class name"),
    "a scale too few": (lambda: OutputSpec(("a", "b"), np.ones(1), np.ones(2)), "scale"),
    "an offset too many": (lambda: OutputSpec(("a",), np.ones(1), np.ones(2)), "offset"),
    "a scale of NaN": (lambda: OutputSpec(("a",), np.array([np.nan]), np.ones(1)), "scale"),
    "an infinite offset": (lambda: OutputSpec(("a",), np.ones(1), np.array([-np.inf])), "offset"),
    "a scale whose logits overflow": (lambda: OutputSpec(("a",), np.array([3e38]), np.ones(1)), "scale"),
    "temperature 0": (lambda: output(temperature=0), "temperature 0"),
    "temperature -1": (lambda: output(temperature=-1), "temperature -1"),
    "temperature NaN": (lambda: output(temperature=float("nan")), "temperature nan"),
    "a temperature that float32 rounds to 0": (lambda: output(temperature=1e-60), "temperature 1e-60"),
    "an unknown decision": (lambda: output(decision="vote"), "decision 'vote'"),
    "highest_bit without thresholds": (lambda: output(decision="highest_bit"), "class_thresholds"),
    "thresholds without highest_bit": (lambda: output(class_thresholds=np.zeros(2, int)), "class_thresholds"),
    "class thresholds too few": (
        lambda: output(decision="highest_bit", class_thresholds=np.zeros(1, int)), "class_thresholds"),
    "float class thresholds": (
        lambda: output(decision="highest_bit", class_thresholds=np.zeros(2)), "class_thresholds"),
    "class thresholds beyond int32": (
        lambda: output(decision="highest_bit", class_thresholds=np.array([0, 2**31])), "class_thresholds"),
    "native_div 0": (lambda: output(native_div=0), "native_div 0"),
    "native_add beyond": (lambda: output(native_add=2**24 + 1), "native_add"),
}


@pytest.mark.parametrize(("make", "says"), OUTPUTS.values(), ids=OUTPUTS)
def test_an_impossible_output_is_refused_and_the_field_named(make, says):
    with pytest.raises(NetworkError, match=says):
        make()


@pytest.mark.parametrize("seed", range(5))
def test_logits_are_the_float32_affine_of_the_sums_and_the_label_their_first_maximum(seed):
    rng = np.random.default_rng(seed)
    scale, offset = rng.normal(size=6).astype(np.float32), rng.normal(size=6).astype(np.float32)
    out = OutputSpec(tuple("abcdef"), scale, offset)
    sums = rng.integers(-4000, 4000, (50, 6)).astype(np.int32)
    for row, logits, index in zip(sums, out.logits(sums), out.indices(sums)):
        expected = [np.float32(np.float32(Fraction(int(s)) * Fraction(float(a))) + b)
                    for s, a, b in zip(row, scale, offset)]
        assert logits.tolist() == expected, f"seed {seed}"
        assert index == expected.index(max(expected)), f"seed {seed}"


def test_of_equal_logits_the_first_class_wins():
    assert output(4).indices(np.array([[1, 5, 5, 0], [2, 2, 2, 2]], np.int32)).tolist() == [1, 0]


def test_highest_bit_takes_the_last_class_that_reaches_its_threshold_and_else_minus_one():
    out = output(4, decision="highest_bit", class_thresholds=np.array([0, 10, 20, -5]))
    sums = np.array([[0, 10, 19, -6], [99, 99, 99, -5], [0, 9, 19, -6], [-1, 9, 19, -6]], np.int32)
    assert out.indices(sums).tolist() == [1, 3, 0, -1]


@pytest.mark.parametrize("temperature", [0.01, 1, 8.5, 1e6])
def test_probabilities_are_the_softmax_of_the_scaled_logits_and_sum_to_one(temperature):
    rng = np.random.default_rng(3)
    out = OutputSpec(tuple("abcde"), rng.normal(size=5), rng.normal(size=5), temperature=temperature)
    sums = rng.integers(-30, 30, (20, 5)).astype(np.int32)
    logits = (sums * out.scale.astype(np.float64) + out.offset) / temperature
    with np.errstate(over="ignore"):
        expected = np.array([[1 / np.exp(row - value).sum() for value in row] for row in logits])
    probabilities = out.probabilities(sums)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected, atol=1e-3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_probabilities_stay_finite_at_the_limits_of_every_field():
    for scale, temperature in ((1e20, 1e-6), (-1e20, 1e-6), (1e-30, 1e6)):
        out = OutputSpec(("a", "b"), np.array([scale, 1]), np.array([1e20, -1e20]), temperature=temperature)
        sums = np.array([[2**24, -2**24], [-2**24, 2**24], [0, 0]], np.int32)
        assert np.isfinite(out.probabilities(sums)).all()
        np.testing.assert_allclose(out.probabilities(sums).sum(axis=1), 1)


def test_native_scores_are_the_floored_affine_of_the_sums():
    sums = np.array([[-512, -511, 0, 1, 512, -513]], np.int32)
    out = output(6, native_add=512, native_div=2)
    assert out.native_scores(sums).tolist() == [[(int(s) + 512) // 2 for s in sums[0]]]
    assert out.native_scores(sums).dtype == np.int32
    assert output(6).native_scores(sums).tolist() == sums.tolist()


def outputs(rng: np.random.Generator) -> OutputSpec:
    """A random output of either decision."""
    count = int(rng.integers(1, 7))
    values = {"scale": rng.choice([0.5, 1, 3, -2], count), "offset": rng.choice([-4, 0, 0.25, 2**20], count),
              "temperature": float(rng.choice([1e-3, 1, 50, 1e6]))}
    if rng.random() < 0.5:
        values |= {"decision": "highest_bit", "class_thresholds": rng.integers(-3, 3, count)}
    return OutputSpec(tuple("abcdefg"[:count]), **values)


@pytest.mark.parametrize("seed", range(20))
def test_scores_and_probabilities_give_the_label_by_argmax_ties_included(seed):
    rng = np.random.default_rng(seed)
    out = outputs(rng)
    sums = rng.integers(-4, 5, (200, len(out.classes))).astype(np.int32)
    index, scores, probabilities = out.indices(sums), out.scores(sums), out.probabilities(sums)
    chosen = index >= 0
    assert np.array_equal(scores.argmax(axis=1)[chosen], index[chosen])
    assert np.array_equal(probabilities.argmax(axis=1)[chosen], index[chosen])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (scores.dtype, probabilities.dtype) == (np.float32, np.float32)
    if out.decision == "argmax":
        assert np.array_equal(scores, out.logits(sums))
        assert not out.undecided(sums).any()
    else:
        others = np.arange(len(out.classes)) != index[:, None]
        assert np.array_equal(scores[others], out.logits(sums)[others])


def test_sums_that_differ_less_than_probabilities_can_tell_still_give_the_label():
    out = OutputSpec(("a", "b"), np.ones(2), np.array([0, 1e-4]), temperature=1e6)
    sums = np.array([[0, 0]], np.int32)
    assert out.indices(sums).tolist() == [1]
    assert out.probabilities(sums).argmax(axis=1).tolist() == [1]


def test_no_class_or_one_by_default_is_undecided():
    out = OutputSpec(("a", "b"), np.ones(2), np.array([-5, -5]), decision="highest_bit",
                     class_thresholds=np.array([-100, 5]))
    assert out.undecided(np.array([[9, 0], [3, 0], [0, 9], [-200, 0]], np.int32)).tolist() == [False, True, False, True]


@pytest.mark.parametrize(("threshold", "fits"), [(-9, True), (10, True), (-10, False), (11, False)])
def test_a_threshold_outside_what_sums_can_reach_plus_one_is_refused(threshold, fits):
    hidden = BinFc(np.ones((1, 9), np.uint8), np.array([threshold]), np.array([False]))
    layers = (hidden, Scores(np.ones((1, 1), np.uint8)))
    spec, output = InputSpec(3, 3, 1, one_bit_codes()), OutputSpec(("a",), np.ones(1), np.zeros(1))
    if fits:
        assert Network("t", spec, layers, output).layers[0].thresholds[0] == threshold
    else:
        with pytest.raises(NetworkError, match=rf"layer 0 .*threshold {threshold}; .*-9 to 10 fit"):
            Network("t", spec, layers, output)


def test_a_map_too_large_for_any_computer_is_refused():
    spec = InputSpec(1024, 1024, 1, signed_codes())
    conv = FpConv(np.zeros((65, 1, 1, 1), np.uint8), np.zeros(65, np.int32), np.zeros(65, bool))
    with pytest.raises(NetworkError, match=r"layer 0 .*map of 68157440 values is too large"):
        Network("t", spec, (conv, Scores(np.zeros((2, 5), np.uint8))), OutputSpec(("a", "b"), np.ones(2), np.zeros(2)))
