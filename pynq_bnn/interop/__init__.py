"""Networks of other projects, as networks of this one."""

from .bnn_pynq import import_folder

__all__ = ["import_folder"]
