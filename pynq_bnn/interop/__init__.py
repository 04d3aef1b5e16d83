"""Conversion of other projects' networks."""

from .bnn_pynq import import_folder

__all__ = ["import_folder"]
