"""Networks by name: the published topologies as tables, and the trained ``.bnn`` files that ship."""

from __future__ import annotations

from pathlib import Path

from ..errors import NetworkError
from ..files import is_dir, is_file
from ..network import Network, load_network
from ..network.layers import Conv, Fc
from ..network.topology import Topology, topology_from_json
from .tables import TOPOLOGIES

__all__ = ["TOPOLOGIES", "Conv", "Fc", "Topology", "find_network", "find_topology", "shipped"]

_HERE = Path(__file__).resolve().parent


def shipped() -> dict[str, Path]:
    """The trained networks inside the package, name → file."""
    return {path.stem: path for path in sorted(_HERE.glob("*.bnn"))}


def find_network(name: str | Path) -> Network:
    """The shipped network ``name``, or the network in the ``.bnn`` file at that path.

    Raises
    ------
    NetworkError, NetworkFileError
        No such name (the message lists the names), or the file is missing or damaged.
    """
    if not isinstance(name, (str, Path)):
        raise NetworkError(f"a network is a name, the path of a .bnn file or a Network, not {type(name).__name__}")
    files = shipped()
    if str(name) in files:
        return load_network(files[str(name)])
    if str(name) in TOPOLOGIES and not is_file(Path(name)):
        raise NetworkError(f"{name} ships without weights; train it (pynq-bnn train {name} --data DIR --out OUT)"
                           f" or use one of {', '.join(files)}")
    if Path(name).suffix == ".pt" and is_file(Path(name)) or is_dir(Path(name)) and is_file(Path(name) / "best.pt"):
        raise NetworkError(f"{name} is a training; fold it first: pynq-bnn compile {name} -o NAME.bnn")
    if Path(name).suffix == ".bnn" or is_file(Path(name)):
        return load_network(name)
    raise NetworkError(f"no network {str(name)!r}; give the path of a .bnn file or one of {', '.join(files)}")


def find_topology(name: str | Path) -> Topology:
    """The published table ``name``, or the table in the JSON file at that path.

    Raises
    ------
    NetworkError
        There is no such name, or the table is inconsistent.
    """
    if str(name) in TOPOLOGIES:
        return TOPOLOGIES[str(name)]
    if Path(name).suffix == ".json":
        return topology_from_json(name)
    raise NetworkError(f"no topology {str(name)!r}; give the path of a .json table or one of {', '.join(TOPOLOGIES)}")
