"""Writes a CNV network as a BNN-PYNQ parameter folder, for that project's tools and to test the import.

The layout is that of :mod:`pynq_bnn.interop.bnn_pynq`. It cannot represent three things: BNN-PYNQ has its own pixel
codes (from 128 up, one more than ``pixel − 128``), no scale and offset of the scores, and its own preprocessing. So
its answers are close to the network's, but not identical.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..arrays import Array
from ..errors import NetworkError, OutputError
from ..network import BinConv, FpConv, Layer, Network, Scores
from ..network.layers import Hidden
from .bnn_pynq import _CNV, _CNV_CONVS, _CNV_POOLED, _Matrix


def write_folder(network: Network, folder: str | Path) -> Path:
    """Write a network of CNV's shape (such as cnv-cifar10) as a cnvW1A1 folder.

    Parameters
    ----------
    network : Network
        Signed 8-bit codes; 2 to 64 classes.
    folder : path
        Created if missing; existing parameter files are overwritten.

    Raises
    ------
    NetworkError
        The network is not a CNV.
    OutputError
        The folder cannot be written.
    """
    _check(network)
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, (layer, matrix) in enumerate(zip(network.layers, _CNV)):
            _write_layer(folder, number, layer, matrix)
        (folder / "classes.txt").write_text("\n".join(network.output.classes) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {error.filename or folder}: {error.strerror or error}; choose another place"
                          ) from None
    return folder


def _check(network: Network) -> None:
    """Raise NetworkError unless only weights, thresholds and classes differ from BNN-PYNQ's cnvW1A1."""
    wrong = None
    if network.input.shape != (32, 32, 3) or network.input.bits != 8 or not network.input.map.signed:
        wrong = "takes other pictures than 32×32 in colour with signed codes"
    elif len(network.layers) != len(_CNV):
        wrong = f"has {len(network.layers)} layers, not {len(_CNV)}"
    elif len(network.output.classes) > _CNV[-1].neurons or network.output.decision != "argmax":
        wrong = "decides by another rule or among too many classes"
    else:
        for number, (layer, matrix) in enumerate(zip(network.layers, _CNV)):
            last = number == len(_CNV) - 1
            if layer.fan_in != matrix.inputs or (layer.outputs != matrix.neurons and not last):
                wrong = f"has a layer {number} of {layer.outputs}×{layer.fan_in} weights"
            elif number < _CNV_CONVS and not _is_cnv_conv(layer, number):
                wrong = f"has another kernel, stride, padding or pool in layer {number}"
            elif not isinstance(layer, Scores) and layer.invert.any():
                wrong = f"inverts bits of layer {number}, which BNN-PYNQ cannot"
            if wrong:
                break
    if wrong:
        raise NetworkError(f"{network.name} {wrong}; only CNV fits into a cnvW1A1 folder")


def _is_cnv_conv(layer: Layer, number: int) -> bool:
    return (isinstance(layer, BinConv if number else FpConv) and layer.kernel == 3 and layer.stride == 1
            and layer.padding == 0 and layer.pool == (2 if number in _CNV_POOLED else 1))


def _write_layer(folder: Path, number: int, layer: Layer, matrix: _Matrix) -> None:
    bits = np.ones((matrix.neurons, matrix.inputs), np.uint8)  # unused rows of the last layer are +1, as in BNN-PYNQ
    bits[:layer.outputs] = layer.weights.reshape(layer.outputs, -1)
    words = np.zeros((matrix.neurons, matrix.inputs // matrix.simd, 8), np.uint8)
    packed = np.packbits(bits.reshape(matrix.neurons, -1, matrix.simd), axis=2, bitorder="little")
    words[..., :packed.shape[2]] = packed
    for pe in range(matrix.pe):
        # Neuron nf·PE + P belongs to P.
        (folder / f"{number}-{pe}-weights.bin").write_bytes(words[pe::matrix.pe].tobytes())
        if not isinstance(layer, Scores):
            limits = _limits(layer, first=number == 0)[pe::matrix.pe]
            (folder / f"{number}-{pe}-thres.bin").write_bytes(limits.astype("<i8").tobytes())


def _limits(layer: Hidden, first: bool) -> Array:
    """t with ``t < 2·acc`` (first layer) or ``t < popcount`` where ``acc ≥ T``; acc = 2·popcount − n."""
    limits = layer.thresholds.astype(np.int64)
    return 2 * (limits - 1) if first else -(-(limits + layer.fan_in) // 2) - 1
