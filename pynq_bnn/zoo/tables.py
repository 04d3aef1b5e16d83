"""The networks exactly as published; comments name the sources."""

from __future__ import annotations

from ..data.classes import CIFAR10_CLASSES, DIGITS
from ..network.layers import Conv, Fc, Row, TermRow
from ..network.topology import Topology


def _cnv() -> Topology:
    # Umuroglu et al., FINN, FPGA'17: three pairs of unpadded 3×3 layers, 2×2 pools after the first two.
    rows = (Conv(64), Conv(64, pool=2), Conv(128), Conv(128, pool=2), Conv(256), Conv(256), Fc(512), Fc(512))
    return Topology("cnv-cifar10", "CNV (FINN, 2017)", 32, 32, 3, 8, rows, CIFAR10_CLASSES)


def _binarynet(name: str, title: str, width: int, classes: tuple[str, ...]) -> Topology:
    # Courbariaux et al., Binarized Neural Networks, NIPS 2016, section 2.3 and its published code.
    rows: list[Row] = []
    for channels in (width, 2 * width, 4 * width):
        rows += [Conv(channels, padding=1, order="pool-sign"), Conv(channels, padding=1, pool=2, order="pool-sign")]
    return Topology(name, title, 32, 32, 3, 8, (*rows, Fc(1024), Fc(1024)), classes)


def _vgg16() -> Topology:
    # Urbano Pintos et al., 2022: VGG16's 13 convolutions; the last pool is 4×4, so 512 inputs meet FC 1024.
    # Order pool-sign: an OR of 16 sign bits would nearly always be +1.
    rows: list[Row] = []
    for channels, count, pool in ((64, 2, 2), (128, 2, 2), (256, 3, 2), (512, 6, 4)):
        rows += [Conv(channels, padding=1, order="pool-sign")] * (count - 1)
        rows += [Conv(channels, padding=1, pool=pool, order="pool-sign")]
    return Topology("vgg16-cifar10", "VGG16, binarized (2022)", 32, 32, 3, 8, (*rows, Fc(1024)), CIFAR10_CLASSES)


def _resnet(name: str, title: str, width: int, blocks: tuple[int, ...] = (2, 2, 2, 2)) -> Topology:
    # Nie et al., BiNealNet, 2022 (arXiv 2202.03716), in the shape of ResNet-18 (He et al. 2016): pairs of 3×3
    # convolutions. The block's input, one bit a channel, is added to the second; where the map shrinks, two 2×2
    # convolutions of it are.
    rows: list[Row] = [Conv(width, padding=1)]
    for stage, count in enumerate(blocks):
        channels = width << stage
        for block in range(count):
            before, shrinks = len(rows) - 1, stage > 0 and block == 0
            rows.append(Conv(channels, stride=2 if shrinks else 1, padding=1))
            rows.append(Conv(channels, padding=1, terms=(TermRow(before, 2, 2),) * 2) if shrinks
                        else Conv(channels, padding=1, shortcut=before))
    return Topology(name, title, 32, 32, 3, 8, tuple(rows), CIFAR10_CLASSES)


def _mlp(name: str, title: str, units: int, input_bits: int) -> Topology:
    # LFC, SFC, TFC: Umuroglu 2017. 3×4096: Courbariaux 2016, section 2.1.
    return Topology(name, title, 28, 28, 1, input_bits, (Fc(units),) * 3, DIGITS)


_ALL = (
    _cnv(),
    _binarynet("binarynet-cifar10", "BinaryNet ConvNet (2016)", 128, CIFAR10_CLASSES),
    _binarynet("binarynet-svhn", "BinaryNet ConvNet, half width", 64, DIGITS),
    _vgg16(),
    _resnet("binealnet-cifar10", "BiNealNet, width 96 (2022)", 96),
    _resnet("resnet18-cifar10", "BiNealNet, width 64", 64),
    _resnet("resnet10-cifar10", "BiNealNet of one block a stage, width 32", 32, (1, 1, 1, 1)),
    _mlp("mlp-mnist", "MLP 3×4096, 8-bit pixels (2016)", 4096, 8),
    _mlp("mlp-1bit-mnist", "MLP 3×4096, 1-bit pixels", 4096, 1),
    _mlp("lfc-mnist", "LFC (FINN, 2017)", 1024, 1),
    _mlp("sfc-mnist", "SFC (FINN, 2017)", 256, 1),
    _mlp("tfc-mnist", "TFC (Brevitas)", 64, 1),
)

TOPOLOGIES: dict[str, Topology] = {topology.name: topology for topology in _ALL}
