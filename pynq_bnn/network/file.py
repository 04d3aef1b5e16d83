"""The ``.bnn`` file: magic, lengths, a JSON header, raw arrays, and a SHA-256 over all of these.

    offset  bytes  content
    0       8      b"\\x89BNN\\r\\n\\x1a\\n" (a text-mode transfer damages it visibly)
    8       4      format version, little-endian uint32: 1, or 2 if the network is not a chain
    12      4      length J of the JSON header, uint32
    16      8      length D of the arrays, uint64
    24      J      JSON header, UTF-8
    24+J    D      arrays, each little-endian, C order, one after the other as listed in ``arrays``
    24+J+D  32     SHA-256 of everything before it

``arrays`` in the header lists name, type and shape. Types are ``i4``, ``i2``, ``f4``, ``u1`` and ``b1``:
bits, eight per byte, least significant first; each row of a bit array (its first axis) starts on a byte.
FORMAT.md beside this module explains each field.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import NetworkError, NetworkFileError
from ..files import write_atomically
from .attributes import attribute_values, attributes
from .layers import LAYER_KINDS, BinFc, FcTerm, Layer, LayerNode, Scores, Term
from .network import Golden, Network
from .spec import ENCODINGS, InputSpec, OutputSpec

MAGIC = b"\x89BNN\r\n\x1a\n"
# A chain of layers is written as version 1, which every release of pynq-bnn reads.
VERSIONS = (1, 2)
_HEAD = struct.Struct("<8sIIQ")
_DIGEST = 32
_MAX_HEADER = 1 << 20
_MAX_FILE = 1 << 26
_TYPES: dict[str, np.dtype[Any]] = {"i4": np.dtype("<i4"), "i2": np.dtype("<i2"), "f4": np.dtype("<f4"),
                                    "u1": np.dtype("u1")}
_KINDS = {kind.kind: kind for kind in LAYER_KINDS}
_ARRAYS = {"input.codes": "i2", "output.scale": "f4", "output.offset": "f4", "output.class_thresholds": "i4",
           "golden.image": "u1", "golden.scores": "i4"}
_LAYER_ARRAYS = {"weights": "b1", "thresholds": "i4", "invert": "b1", "terms": "b1"}
# Name, type and values.
_Array = tuple[str, str, Array]
_NUMBER = "(0|[1-9][0-9]{0,4})"
_LAYER_ARRAY_NAME = re.compile(rf"layers\.{_NUMBER}\.(?:(weights|thresholds|invert)|(terms)\.{_NUMBER})", re.ASCII)


# --- writing -----------------------------------------------------------------------------------------

def write_network(network: Network) -> bytes:
    """The bytes of the ``.bnn`` file of ``network``.

    Raises
    ------
    NetworkError
        The network is larger than a file may be.
    """
    arrays: list[_Array] = []
    version = 1 if network.is_chain else 2
    header = {
        "name": network.name,
        "input": _input_header(network.input, arrays),
        "layers": [_layer_header(node, version, arrays) for node in network.nodes],
        "output": _output_header(network.output, arrays),
        "provenance": network.provenance,
    }
    if network.golden is not None:
        arrays += [("golden.image", "u1", network.golden.image), ("golden.scores", "i4", network.golden.scores)]
    header["arrays"] = [{"name": name, "type": kind, "shape": list(array.shape)} for name, kind, array in arrays]
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    data = b"".join(_array_bytes(kind, array) for _, kind, array in arrays)
    body = _HEAD.pack(MAGIC, version, len(text), len(data)) + text + data
    if len(text) > _MAX_HEADER or len(body) + _DIGEST > _MAX_FILE:
        raise NetworkError(f"the network takes {len(body)} bytes with a header of {len(text)}; a .bnn file holds up to"
                           f" {_MAX_FILE} with a header of {_MAX_HEADER}")
    return body + hashlib.sha256(body).digest()


def _input_header(spec: InputSpec, arrays: list[_Array]) -> dict[str, Any]:
    arrays.append(("input.codes", "i2", spec.codes))
    return {"height": int(spec.height), "width": int(spec.width), "channels": int(spec.channels),
            "channel_order": "RGB" if spec.channels == 3 else "L", "bits": int(spec.bits), "fit": spec.fit,
            "background": int(spec.background)}


def _layer_header(node: LayerNode, version: int, arrays: list[_Array]) -> dict[str, Any]:
    layer, number = node.layer, node.index
    arrays.append((f"layers.{number}.weights", "b1", layer.weights))
    if not isinstance(layer, Scores):
        arrays.append((f"layers.{number}.thresholds", "i4", layer.thresholds))
        arrays.append((f"layers.{number}.invert", "b1", layer.invert[None].astype(np.uint8)))
    header: dict[str, Any] = {"type": _type_in_file(type(layer), version), **attribute_values(layer)}
    if version > 1:
        header["input"] = node.source
        header["terms"] = [_term_header(number, k, term, arrays) for k, term in enumerate(layer.terms)]
        header["shortcut"] = layer.shortcut
    return header


def _term_header(number: int, place: int, term: Any, arrays: list[_Array]) -> dict[str, Any]:
    arrays.append((f"layers.{number}.terms.{place}", "b1", term.weights))
    return {"input": term.source, **attribute_values(term)}


def _type_in_file(kind: type[Layer], version: int) -> str:
    """The kind's name in the file: in version 1 a score layer is a bin_fc without thresholds."""
    return BinFc.kind if kind is Scores and version == 1 else kind.kind


def _output_header(spec: OutputSpec, arrays: list[_Array]) -> dict[str, Any]:
    arrays += [("output.scale", "f4", spec.scale), ("output.offset", "f4", spec.offset)]
    if spec.class_thresholds is not None:
        arrays.append(("output.class_thresholds", "i4", spec.class_thresholds))
    return {"classes": list(spec.classes), "temperature": float(spec.temperature), "decision": spec.decision,
            "native_add": int(spec.native_add), "native_div": int(spec.native_div)}


def _array_bytes(kind: str, array: Array) -> bytes:
    if kind == "b1":
        return np.packbits(array.reshape(len(array), -1), axis=1, bitorder="little").tobytes()
    return np.ascontiguousarray(array, _TYPES[kind]).tobytes()


def save_network(network: Network, path: str | Path) -> None:
    """Write ``network`` to ``path``, through a temporary file beside it, so that no partial file is left.

    Raises
    ------
    NetworkError
        The network is larger than a file may be.
    OutputError
        The disk is full or ``path`` cannot be written.
    """
    content = write_network(network)
    write_atomically(path, lambda partial: partial.write_bytes(content))


# --- reading -----------------------------------------------------------------------------------------

def load_network(path: str | Path) -> Network:
    """The network in the ``.bnn`` file at ``path``.

    Raises
    ------
    NetworkFileError
        The file is missing, damaged or holds a field out of range; the message says which.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise NetworkFileError(f"{path}: no such file")
        if path.stat().st_size > _MAX_FILE:
            raise NetworkFileError(f"{path}: {path.stat().st_size} bytes; a .bnn file holds up to {_MAX_FILE}")
        content = path.read_bytes()
    except OSError as error:
        raise NetworkFileError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return read_network(content)
    except NetworkFileError as error:
        raise NetworkFileError(f"{path}: {error}") from None


def read_network(content: bytes) -> Network:
    """The network in the bytes of a ``.bnn`` file; see :func:`load_network` for errors."""
    version, header, data = _open(content)
    try:
        arrays = _read_arrays(header, data)
        return _build(version, header, arrays)
    except NetworkError as error:
        raise NetworkFileError(str(error)) from None
    except KeyError as error:
        raise NetworkFileError(f"the header lacks the array {error.args[0]!r}") from None


def _open(content: bytes) -> tuple[int, dict[str, Any], bytes]:
    if len(content) < _HEAD.size + _DIGEST or content[:8] != MAGIC:
        raise NetworkFileError("not a .bnn file (its first 8 bytes differ)")
    _, version, header_size, data_size = _HEAD.unpack_from(content)
    if version not in VERSIONS:
        raise NetworkFileError(f"format version {version}; this pynq-bnn reads versions"
                               f" {' and '.join(map(str, VERSIONS))}, a newer one may read it")
    if header_size > _MAX_HEADER:
        raise NetworkFileError(f"a header of {header_size} bytes; up to {_MAX_HEADER} fit")
    if _HEAD.size + header_size + data_size + _DIGEST != len(content):
        raise NetworkFileError(f"{len(content)} bytes where its lengths say"
                               f" {_HEAD.size + header_size + data_size + _DIGEST}; the file is cut or padded")
    body = content[:-_DIGEST]
    if hashlib.sha256(body).digest() != content[-_DIGEST:]:
        raise NetworkFileError("the checksum does not match; the file is damaged, copy it again")
    try:
        header = json.loads(str(body[_HEAD.size:_HEAD.size + header_size], "utf-8"))
    except (ValueError, RecursionError) as error:
        raise NetworkFileError(f"the header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise NetworkFileError("the header is not a JSON object")
    return version, header, body[_HEAD.size + header_size:]


def _read_arrays(header: dict[str, Any], data: bytes) -> dict[str, Array]:
    entries = _typed(header, "arrays", list, "header")
    arrays: dict[str, Array] = {}
    offset = 0
    for entry in entries:
        if not isinstance(entry, dict):
            raise NetworkFileError("an entry of 'arrays' is not an object")
        name, kind = _typed(entry, "name", str, "arrays"), _typed(entry, "type", str, "arrays")
        shape = _typed(entry, "shape", list, "arrays")
        size = _array_size(name, kind, shape)
        if name in arrays or offset + size > len(data):
            raise NetworkFileError(f"array {name!r} comes twice or ends outside the file")
        arrays[name] = _array(kind, shape, data[offset:offset + size], name)
        offset += size
    if offset != len(data):
        raise NetworkFileError(f"{len(data) - offset} bytes of arrays belong to no name")
    return arrays


def _product(numbers: list[int]) -> int:
    product = 1
    for number in numbers:
        product *= number
    return product


def _array_size(name: str, kind: str, shape: list[int]) -> int:
    """Bytes of an array, after checking that its name is known, its type fits the name, and its shape is valid."""
    layer_array = _LAYER_ARRAY_NAME.fullmatch(name)
    fits = _LAYER_ARRAYS[layer_array[2] or layer_array[3]] if layer_array else _ARRAYS.get(name)
    if fits is None:
        raise NetworkFileError(f"array {name!r:.60} belongs to nothing")
    if kind != fits:
        raise NetworkFileError(f"array {name!r} is of type {kind!r:.60}; {fits!r} fits")
    if not 1 <= len(shape) <= 4 or not all(type(s) is int and 1 <= s <= _MAX_FILE for s in shape):
        raise NetworkFileError(f"array {name!r} has the shape {shape!r:.60}; 1 to 4 sizes from 1 to {_MAX_FILE} fit")
    if kind == "b1":
        return shape[0] * -(-_product(shape[1:]) // 8)
    return _product(shape) * _TYPES[kind].itemsize


def _array(kind: str, shape: list[int], raw: bytes, name: str) -> Array:
    if kind != "b1":
        return np.frombuffer(raw, _TYPES[kind]).astype(_TYPES[kind].newbyteorder("=")).reshape(shape)
    columns = _product(shape[1:])
    bits = np.unpackbits(np.frombuffer(raw, np.uint8).reshape(shape[0], -1), axis=1, bitorder="little")
    if bits[:, columns:].any():
        raise NetworkFileError(f"array {name!r} has bits set after the end of a row")
    return np.ascontiguousarray(bits[:, :columns]).reshape(shape)


def _typed(owner: dict[str, Any], key: str, kind: type, where: str) -> Any:
    if key not in owner:
        raise NetworkFileError(f"{where} lacks {key!r}")
    value = owner[key]
    if kind is float and type(value) is int and abs(value) < 2**53:
        value = float(value)
    if type(value) is not kind:
        raise NetworkFileError(f"{where}: {key!r} is {value!r:.60}, not of type {kind.__name__}")
    return value


def _build(version: int, header: dict[str, Any], arrays: dict[str, Array]) -> Network:
    output = _typed(header, "output", dict, "header")
    classes = _typed(output, "classes", list, "output")
    layers = _typed(header, "layers", list, "header")
    for name in arrays:
        layer_array = _LAYER_ARRAY_NAME.fullmatch(name)
        if layer_array and int(layer_array[1]) >= len(layers):
            raise NetworkFileError(f"array {name!r} belongs to none of the {len(layers)} layers")
        if layer_array and layer_array[3] and not _has_term(layers[int(layer_array[1])], int(layer_array[4]), version):
            raise NetworkFileError(f"array {name!r} belongs to no term of its layer")
    has_golden = "golden.image" in arrays or "golden.scores" in arrays
    golden = Golden(arrays["golden.image"], arrays["golden.scores"]) if has_golden else None
    return Network(
        name=_typed(header, "name", str, "header"),
        input=_build_input(_typed(header, "input", dict, "header"), arrays),
        layers=tuple(_build_layer(version, i, layer, arrays) for i, layer in enumerate(layers)),
        output=OutputSpec(
            tuple(classes), arrays["output.scale"], arrays["output.offset"],
            _typed(output, "temperature", float, "output"), _typed(output, "decision", str, "output"),
            arrays.get("output.class_thresholds"), _typed(output, "native_add", int, "output"),
            _typed(output, "native_div", int, "output")),
        provenance=_typed(header, "provenance", dict, "header"), golden=golden)


def _has_term(layer: Any, place: int, version: int) -> bool:
    terms = layer.get("terms") if isinstance(layer, dict) and version > 1 else None
    return isinstance(terms, list) and place < len(terms)


def _build_input(header: dict[str, Any], arrays: dict[str, Array]) -> InputSpec:
    values = {key: _typed(header, key, int, "input") for key in ("height", "width", "channels", "bits", "background")}
    order = _typed(header, "channel_order", str, "input")
    if order != ("RGB" if values["channels"] == 3 else "L"):
        raise NetworkFileError(f"input: channel_order {order!r} does not go with {values['channels']} channels")
    bits = values.pop("bits")
    if bits not in ENCODINGS:
        raise NetworkFileError(f"input bits {bits!r}; 1 or 8 fit")
    return InputSpec(encoding=ENCODINGS[bits](arrays["input.codes"]), fit=_typed(header, "fit", str, "input"), **values)


def _build_layer(version: int, number: int, header: Any, arrays: dict[str, Array]) -> Layer:
    where = f"layer {number}"
    known = sorted({_type_in_file(kind, version) for kind in LAYER_KINDS})
    if not isinstance(header, dict) or _typed(header, "type", str, where) not in known:
        raise NetworkFileError(f"{where}: its 'type' is not one of {known}")
    kind: type[Any] = _KINDS[header["type"]]
    values: dict[str, Any] = {"weights": arrays[f"layers.{number}.weights"]}
    values.update({part: arrays[f"layers.{number}.{part}"] for part in ("thresholds", "invert")
                   if f"layers.{number}.{part}" in arrays})
    if version == 1 and kind is BinFc and len(values) == 1:
        kind = Scores
    if kind is Scores and len(values) > 1:
        raise NetworkFileError(f"{where}: a score layer has no thresholds and no invert bits")
    if kind is not Scores:
        values = {"thresholds": None, **values, "invert": _invert(values.get("invert"), number)}
    values.update({each.name: _typed(header, each.name, each.type, where) for each in attributes(kind)})
    try:
        if version > 1:
            values.update(_joins(kind, number, header, arrays))
        layer: Layer = kind(**values)
    except NetworkError as error:
        raise NetworkFileError(f"{where}: {error}") from None
    return layer


def _joins(kind: type[Any], number: int, header: dict[str, Any], arrays: dict[str, Array]) -> dict[str, Any]:
    """The maps that a layer of version 2 reads; a kind without terms or shortcut must have none."""
    where = f"layer {number}"
    if "shortcut" not in header:
        raise NetworkFileError(f"{where} lacks 'shortcut'")
    values = {"source": _typed(header, "input", int, where),
              "terms": tuple(_term(kind, number, place, term, arrays)
                             for place, term in enumerate(_typed(header, "terms", list, where)))}
    shortcut = header["shortcut"]
    if shortcut is not None:
        values["shortcut"] = _typed(header, "shortcut", int, where)
    for name, value in list(values.items()):
        if name not in kind.__dataclass_fields__:
            if value != ():
                raise NetworkFileError(f"{where}: a layer of type {kind.kind!r} has no {name}")
            del values[name]
    return values


def _term(kind: type[Any], number: int, place: int, header: Any, arrays: dict[str, Array]) -> Term:
    where = f"layer {number}: term {place}"
    if not isinstance(header, dict):
        raise NetworkFileError(f"{where} is not an object")
    term_kind: type[Any] = getattr(kind, "term_kind", FcTerm)
    values = {each.name: _typed(header, each.name, each.type, where) for each in attributes(term_kind)}
    term: Term = term_kind(arrays[f"layers.{number}.terms.{place}"], _typed(header, "input", int, where), **values)
    return term


def _invert(array: Array | None, number: int) -> Array | None:
    if array is None:
        return None
    if array.ndim != 2 or len(array) != 1:
        raise NetworkFileError(f"array 'layers.{number}.invert' has the shape {list(array.shape)}; [1, channels] fits")
    row: Array = array[0]
    return row
