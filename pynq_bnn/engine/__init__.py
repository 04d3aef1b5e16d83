"""The compiled engine: XNOR and popcount on packed bits, by whatever instruction set the processor has.

``engine.c`` walks layers and ``kernels.c`` holds the inner loops; :mod:`.native` finds and calls the library,
:mod:`.layers` are layers as the engine takes them, :mod:`.packing` brings them into the library's form and
:mod:`.plan` runs them. None of these knows networks: :mod:`pynq_bnn.backends.compiled` does.
"""

from .layers import PICTURE, BitLayer, PixelLayer, Source
from .native import Library, default_threads, find_library
from .packing import make_plan
from .plan import Plan

__all__ = ["PICTURE", "BitLayer", "Library", "PixelLayer", "Plan", "Source", "default_threads", "find_library",
           "make_plan"]
