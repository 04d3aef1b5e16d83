"""A folded network as integers, and the ``.bnn`` file that holds it; all other parts of the package build on this."""

from .file import load_network, read_network, save_network, write_network
from .layers import BinConv, BinFc, ConvTerm, FcTerm, FpConv, Layer, LayerNode, Scores
from .network import Golden, Network
from .spec import BitCodes, ByteCodes, InputSpec, OutputSpec, one_bit_codes, signed_codes

__all__ = ["BinConv", "BinFc", "BitCodes", "ByteCodes", "ConvTerm", "FcTerm", "FpConv", "Golden", "InputSpec", "Layer",
           "LayerNode", "Network", "OutputSpec", "Scores", "load_network", "one_bit_codes", "read_network",
           "save_network", "signed_codes", "write_network"]
