"""``networks`` and ``info``."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..network import LayerNode, Network
from ..network.checks import one_line
from ..network.graph import Node
from ..program.fits import accelerator_refusal
from ..zoo import TOPOLOGIES, find_network, shipped

_DECISIONS = {"argmax": "the largest score, its sum by the class's scale and offset",
              "highest_bit": "the highest class whose sum reaches its threshold"}


def networks(arguments: argparse.Namespace) -> int:
    """List every published topology with its size, and which ship as trained networks."""
    files = shipped()
    rows = []
    for name in [*TOPOLOGIES, *(n for n in files if n not in TOPOLOGIES)]:
        row = _topology_row(name) if name in TOPOLOGIES else _network_row(find_network(name))
        rows.append({"name": name, **row, "shipped": name in files})
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return 0
    print(f"{'name':<20}{'input':>10}{'layers':>8}{'weight bits':>14}{'MAC/image':>14}{'largest map':>14}  trained")
    for row in rows:
        shape = "×".join(map(str, row["input"]))
        print(f"{row['name']:<20}{shape:>10}{row['layers']:>8}{row['weight_bits']:>14,}{row['macs']:>14,}"
              f"{row['largest_map_bits']:>14,}  {'ships' if row['shipped'] else '-'}")
    return 0


def _topology_row(name: str) -> dict[str, Any]:
    topology = TOPOLOGIES[name]
    nodes = topology.nodes()
    return {"title": topology.title, "input": list(topology.input_shape), "input_bits": topology.input_bits,
            **_sizes(nodes)}


def _network_row(network: Network) -> dict[str, Any]:
    return {"title": network.provenance.get("topology", ""), "input": list(network.input.shape),
            "input_bits": network.input.bits, **_sizes(network.nodes)}


def _sizes(nodes: Sequence[Node[Any]]) -> dict[str, int]:
    return {"layers": len(nodes), "weight_bits": sum(node.weight_bits for node in nodes),
            "macs": sum(node.macs for node in nodes),
            "largest_map_bits": max((node.output.values for node in nodes[:-1]), default=0)}


def info(arguments: argparse.Namespace) -> int:
    """Describe a network: input, layers, classes, provenance."""
    network = find_network(arguments.network)
    layers = [_layer_row(node) for node in network.nodes]
    refusal = accelerator_refusal(network)
    if arguments.json:
        print(json.dumps({"name": network.name, **_network_row(network), "classes": list(network.output.classes),
                          "decision": network.output.decision, "temperature": network.output.temperature,
                          "fit": network.input.fit, "golden": network.golden is not None,
                          "accelerator": {"fits": refusal is None, "refusal": refusal}, "layer_table": layers,
                          "provenance": network.provenance}, ensure_ascii=False, indent=1))
        return 0
    spec, output = network.input, network.output
    print(f"{network.name}: {network.weight_bits:,} weight bits, {network.macs:,} MAC an image")
    print(f"input    {spec.height}×{spec.width}×{spec.channels}, {spec.bits}-bit codes {spec.codes.min()}…"
          f"{spec.codes.max()}, other sizes by {spec.fit} on grey {spec.background}")
    width = max(len(row["what"]) for row in layers)
    for row in layers:
        print(f"layer {row['number']:<3}{row['type']:<9}{row['what']:<{width}} → {row['output']}")
    print(f"accelerator  {refusal or 'takes it'}")
    print(f"classes  {', '.join(output.classes)} (by {_DECISIONS[output.decision]}; temperature"
          f" {output.temperature:.3g})")
    for key, value in network.provenance.items():
        # A file may hold anything; escape terminal control characters.
        print(one_line(f"{key}: {value}"))
    return 0


def _layer_row(node: LayerNode) -> dict[str, Any]:
    what = node.layer.describe(node.input.shape)
    if node.source != node.index - 1:
        what += f" of map {node.source}"
    terms = Counter(f"{term.layer.describe(term.input.shape)} of map {term.source}" for term in node.terms)
    what += "".join(f" + {f'{count} times ' if count > 1 else ''}{term}" for term, count in terms.items())
    what += f", threshold by map {node.shortcut}" if node.shortcut is not None else ""
    return {"number": node.index, "type": node.layer.kind, "what": what,
            "output": "×".join(map(str, node.output.shape)), "weight_bits": node.weight_bits}
