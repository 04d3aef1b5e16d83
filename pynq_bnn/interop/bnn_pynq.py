"""Imports BNN-PYNQ parameter folders (cnvW1A1, lfcW1A1).

A folder holds ``L-P-weights.bin`` and ``L-P-thres.bin`` for layer L and processing element P, little-endian
64-bit words, and ``classes.txt``. With NF = neurons / PE and SF = inputs / SIMD:

- weights word ``nf·SF + sf``, bit i, is synapse ``sf·SIMD + i`` of neuron ``nf·PE + P``; 1 is +1, 0 is −1;
- threshold word ``nf`` belongs to neuron ``nf·PE + P``; its output bit is ``threshold < popcount(XNOR)``;
- a file that is too short is read as if it ended with zeros.

With n inputs, acc = 2·popcount − n, so the bit is ``acc ≥ 2·(threshold + 1) − n``: exact, in integers.

Source: Xilinx BNN-PYNQ (Umuroglu et al. 2017, "FINN", section 4), its loader ``foldedmv-offload.cpp``.
"""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..errors import ImportFolderError, NetworkError
from ..files import is_dir, is_file
from ..network import ByteCodes, Golden, InputSpec, Network, OutputSpec, one_bit_codes
from ..network.checks import check_name
from ..network.folding import Positive, Unfolded, fold_network
from ..network.layers import Conv, Fc, Row, RowNode

log = logging.getLogger(__name__)


class _Matrix(NamedTuple):
    """One layer of a folder: ``pe`` files of words that hold ``simd`` synapses each."""

    inputs: int
    neurons: int
    simd: int
    pe: int
    thresholds: bool = True


# Weight bits (neurons, inputs) uint8, and thresholds (neurons,) int64; none in CNV's last layer.
_Read = tuple[Array, Array]

_CNV = (
    _Matrix(27, 64, 3, 16), _Matrix(576, 64, 32, 32), _Matrix(576, 128, 32, 16), _Matrix(1152, 128, 32, 16),
    _Matrix(1152, 256, 32, 4), _Matrix(2304, 256, 32, 1), _Matrix(256, 512, 4, 1), _Matrix(512, 512, 8, 1),
    _Matrix(512, 64, 1, 4, thresholds=False),
)
_LFC = (_Matrix(832, 1024, 64, 32), _Matrix(1024, 1024, 32, 64), _Matrix(1024, 1024, 64, 32), _Matrix(1024, 64, 8, 16))
_CNV_CONVS = 6
_CNV_POOLED = (1, 3)
_LFC_PIXELS = 28 * 28

_FILE_NAME = re.compile(r"(\d{1,4})-(\d{1,4})-(weights|thres)\.bin")
# BNN-PYNQ's widest threshold type, ap_fixed<24, 16>; rows that never fire hold 32767.
_THRESHOLD_LIMIT = 2**23

# About where the log loss of BNN-PYNQ's own cifar10 and mnist networks is lowest; no label depends on them.
_CNV_TEMPERATURE = 72.0
_LFC_TEMPERATURE = 85.0


def import_folder(folder: str | Path, name: str | None = None) -> Network:
    """The network in a BNN-PYNQ parameter folder; its files show whether it is a cnvW1A1 or an lfcW1A1.

    Scores are signed sums of the last layer; ``output.native_scores`` converts them to BNN-PYNQ's popcounts, 0…512
    (cnvW1A1) or 0…1024 (lfcW1A1). A network from an lfcW1A1 folder chooses the highest class whose thresholded bit is
    set, and class 0 if none is; its logits are ≥ 0 where the bit is set.

    Parameters
    ----------
    folder : path
        The folder with ``0-0-weights.bin`` and ``classes.txt`` (2 to 64 names, one per line).
    name : str, optional
        The network's name instead of the folder's.

    Raises
    ------
    ImportFolderError
        The folder, ``classes.txt`` or a parameter file is missing, too large or invalid; ``classes.txt`` names a class
        twice or more classes than the network has outputs; or the folder is of another network (W1A2, W2A2).
    """
    folder = Path(folder)
    classes = _read_classes(folder)
    kind, table = _recognise(folder)
    files = _ParameterFiles(folder)
    layers = [files.layer(number, matrix) for number, matrix in enumerate(table)]
    _check_count(len(classes), _outputs(layers[-1][0]), folder)
    parts = _build_cnv(layers, classes) if kind == "cnvW1A1" else _build_lfc(layers, classes, folder)
    folder_name = folder.resolve().name
    network = fold_network(folder_name if name is None else name, *parts, provenance={
        "source": "BNN-PYNQ", "kind": kind, "folder": folder_name, "sha256": files.digest.hexdigest()})
    return replace(network, golden=_golden(network))


# --- reading the folder ------------------------------------------------------------------------------

def _read_classes(folder: Path) -> tuple[str, ...]:
    path = folder / "classes.txt"
    if not is_dir(folder):
        raise ImportFolderError(f"{folder}: {'not a folder' if is_file(folder) else 'no such folder'};"
                                " give the BNN-PYNQ folder that holds classes.txt and 0-0-weights.bin")
    if not is_file(path):
        raise ImportFolderError(f"{folder}: no classes.txt; give the folder that holds it beside 0-0-weights.bin,"
                                " or write one, a class name a line")
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ImportFolderError(f"{path}: cannot be read as UTF-8 text ({error}); write one name a line") from None
    names = tuple(line.strip() for line in lines)
    if not 2 <= len(names) <= 64:
        raise ImportFolderError(f"{path}: {len(names)} names; 2 to 64 fit, one a line")
    for number, line in enumerate(names, 1):
        try:
            check_name(line, "class name")
        except NetworkError as error:
            raise ImportFolderError(f"{path}: line {number}: {error}") from None
        if line in names[:number - 1]:
            raise ImportFolderError(f"{path}: lines {names.index(line) + 1} and {number} both say {line!r}; give each"
                                    " class a name of its own")
    return names


def _outputs(bits: Array) -> int:
    """Number of rows of the last layer up to the last trained one; BNN-PYNQ pads with rows of +1."""
    trained = np.flatnonzero(~bits.all(axis=1))
    return int(trained[-1]) + 1 if len(trained) else len(bits)


def _check_count(names: int, outputs: int, folder: Path) -> None:
    if names > outputs:
        raise ImportFolderError(f"{folder / 'classes.txt'}: {names} names for the {outputs} outputs of this network;"
                                " the file is of another folder, or has lines too many")
    if names < outputs:
        log.warning("%s: %d names for the %d outputs of this network; the others are never answered",
                    folder / "classes.txt", names, outputs)


def _recognise(folder: Path) -> tuple[str, tuple[_Matrix, ...]]:
    """The kind of network and its layers, from the names and sizes of the files."""
    try:
        found = [(int(match[1]), int(match[2]), path) for path in sorted(folder.iterdir())
                 if (match := _FILE_NAME.fullmatch(path.name))]
        first = sum(path.stat().st_size for layer, _, path in found if layer == 0 and path.name.endswith("-thres.bin"))
    except OSError as error:
        raise ImportFolderError(f"{folder}: cannot be read ({error.strerror})") from None
    if not found:
        raise ImportFolderError(f"{folder}: no parameter files; a BNN-PYNQ folder holds 0-0-weights.bin and so on")
    is_cnv = max(layer for layer, _, _ in found) >= len(_LFC)
    kind, table = ("cnvW1A1", _CNV) if is_cnv else ("lfcW1A1", _LFC)
    per_neuron, rest = divmod(first, table[0].neurons * 8)
    if per_neuron in (2, 3) and not rest:
        raise ImportFolderError(f"{folder}: 0-*-thres.bin hold {per_neuron} thresholds a neuron, for 2-bit activations"
                                " (W1A2 or W2A2); give a W1A1 folder")
    for layer, pe, path in found:
        if layer >= len(table) or pe >= table[layer].pe:
            raise ImportFolderError(f"{path}: {kind} has no such file; the folder is of another network, or two are"
                                    " mixed; give a cnvW1A1 or lfcW1A1 folder as BNN-PYNQ ships it")
    return kind, table


class _ParameterFiles:
    """Reads the files of a folder and computes a SHA-256 of their names, sizes and contents, in order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.digest = hashlib.sha256()

    def layer(self, number: int, matrix: _Matrix) -> _Read:
        rows, words = matrix.neurons // matrix.pe, matrix.inputs // matrix.simd
        bits, thresholds = [], []
        for pe in range(matrix.pe):
            bits.append(self._weights(f"{number}-{pe}-weights.bin", rows * words, matrix.simd).reshape(rows, -1))
            if matrix.thresholds:
                thresholds.append(self._thresholds(f"{number}-{pe}-thres.bin", rows))
        # Neuron nf·PE + P: the processing element is the fast index.
        weights = np.ascontiguousarray(np.stack(bits, axis=1).reshape(matrix.neurons, matrix.inputs))
        return weights, np.stack(thresholds, axis=1).reshape(-1) if thresholds else np.zeros(0, np.int64)

    def _weights(self, name: str, count: int, simd: int) -> Array:
        """(count, simd) uint8 bits."""
        words = self._words(name, count)
        bits = np.unpackbits(words.view(np.uint8).reshape(count, 8), axis=1, bitorder="little")
        bad = bits[:, simd:].any(axis=1)
        if bad.any():
            raise ImportFolderError(f"{self._folder / name}: word {bad.argmax()} has bits above its {simd} synapses;"
                                    " the file is damaged or of another network, copy the folder again")
        return bits[:, :simd]

    def _thresholds(self, name: str, count: int) -> Array:
        values = self._words(name, count).view("<i8")
        bad = (values < -_THRESHOLD_LIMIT) | (values >= _THRESHOLD_LIMIT)
        if bad.any():
            where = int(bad.argmax())
            raise ImportFolderError(f"{self._folder / name}: word {where} is the threshold {values[where]},"
                                    " beyond the 24 bits of BNN-PYNQ; the file is damaged, copy the folder again")
        return values.astype(np.int64)

    def _words(self, name: str, count: int) -> Array:
        """(count,) little-endian uint64, padded with zeros if the file is shorter."""
        path = self._folder / name
        try:
            if not path.is_file():
                raise ImportFolderError(f"{path}: no such file; copy the whole folder, {name} belongs to it")
            size = path.stat().st_size
            if size > count * 8 or size % 8:
                raise ImportFolderError(f"{path}: {size} bytes; up to {count} words of 8 bytes fit: the file is damaged"
                                        " or of another network (W1A2, W2A2); give a W1A1 folder")
            content = path.read_bytes()
        except OSError as error:
            raise ImportFolderError(f"{path}: cannot be read ({error.strerror})") from None
        self.digest.update(f"{name} {size}\n".encode() + content)
        return np.frombuffer(content.ljust(count * 8, b"\0"), "<u8")


# --- building the network ----------------------------------------------------------------------------

# Name-independent parts of a network: its input, hidden layers, last layer's weight bits and output.
_Parts = tuple[InputSpec, list[Unfolded], Array, OutputSpec]


def _build_cnv(layers: list[_Read], classes: tuple[str, ...]) -> _Parts:
    hidden = []
    for number, (bits, thresholds) in enumerate(layers[:-1]):
        if number < _CNV_CONVS:
            row: Row = Conv(len(bits), pool=2 if number in _CNV_POOLED else 1)
            bits = bits.reshape(len(bits), 3, 3, bits.shape[1] // 9)
        else:
            row = Fc(len(bits))
        hidden.append(Unfolded(row, bits, partial(_first_positive if number == 0 else _positive, thresholds)))
    last, count = layers[-1][0], len(classes)
    output = OutputSpec(classes, np.ones(count), np.zeros(count), _CNV_TEMPERATURE, native_add=last.shape[1],
                        native_div=2)
    return InputSpec(32, 32, 3, _cnv_codes(), fit="letterbox", background=255), hidden, last[:count], output


def _first_positive(thresholds: Array, node: RowNode) -> tuple[Positive]:
    """The activation of the first layer: threshold < 2·acc."""
    return (lambda acc: thresholds < 2 * acc,)


def _positive(thresholds: Array, node: RowNode) -> tuple[Positive]:
    """The activation of the other layers: threshold < popcount, where acc = 2·popcount − fan-in."""
    return (lambda acc: 2 * thresholds < acc + node.fan_in,)


def _cnv_codes() -> ByteCodes:
    """q = clamp(floor(128·(2p/255 − 1) + 1/2), −128, 127), as an integer division by 510."""
    return ByteCodes(np.clip((512 * np.arange(256) - 65025) // 510, -128, 127))


def _build_lfc(layers: list[_Read], classes: tuple[str, ...], folder: Path) -> _Parts:
    """``folder`` is only for messages."""
    first, padding_count = _without_padding(layers[0][0], folder)
    hidden = [Unfolded(Fc(len(bits)), bits, partial(_positive, thresholds))
              for bits, thresholds in ((first, layers[0][1] - padding_count), *layers[1:-1])]
    count, (bits, thresholds) = len(classes), layers[-1]
    inputs = bits.shape[1]
    # acc ≥ limit where threshold < popcount, clipped to the range of sums (and one more, for never).
    limits = np.clip(2 * (thresholds[:count] + 1) - inputs, -inputs, inputs + 1)
    # If no bit is set BNN-PYNQ answers class 0, so that bit always counts as set; the logits keep its threshold.
    decision_limits = np.concatenate([[-inputs], limits[1:]])
    output = OutputSpec(classes, np.ones(count), -limits, _LFC_TEMPERATURE, "highest_bit", decision_limits,
                        native_add=inputs, native_div=2)
    return InputSpec(28, 28, 1, one_bit_codes(128), fit="digit", background=0), hidden, bits[:count], output


def _without_padding(bits: Array, folder: Path) -> tuple[Array, Array]:
    """Weights (neurons, 784) of the real pixels, and the popcount that the padding adds to each neuron.

    Padding inputs are 0, and their weights 1, so XNOR gives 0. If a short file lacks a neuron's last word, that word is
    read as zeros, and each padding input adds 1.
    """
    padding = bits[:, _LFC_PIXELS:]
    last_word = bits[:, -_LFC[0].simd:]
    absent = ~last_word.any(axis=1)
    bad = ~padding.all(axis=1) & ~absent
    if bad.any():
        neuron = int(bad.argmax())
        raise ImportFolderError(f"{folder / f'0-{neuron % _LFC[0].pe}-weights.bin'}: neuron {neuron} has weights of −1"
                                f" after its {_LFC_PIXELS} pixels, where BNN-PYNQ pads with +1; the file is damaged or"
                                " of a network with another input")
    return np.ascontiguousarray(bits[:, :_LFC_PIXELS]), absent * np.int64(padding.shape[1])


def _golden(network: Network) -> Golden:
    from ..backends.cpu import CpuBackend  # imported late: only this function needs a backend

    y, x, c = np.ogrid[tuple(map(slice, network.input.shape))]
    image = ((7 * y + 5 * x + 80 * c) % 256).astype(np.uint8)
    return Golden(image, CpuBackend(network).scores(image[None])[0])
