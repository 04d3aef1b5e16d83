"""What a flow gives."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Built:
    """A bitstream, and what the .json of the overlay says of it."""

    bitstream: bytes
    facts: dict[str, object] = field(default_factory=dict)
