"""The device (xc7z020) as data: its tiles, wires, switch boxes, configuration bits and delays."""

from .database import Device, TileType, load_device

__all__ = ["Device", "TileType", "load_device"]
