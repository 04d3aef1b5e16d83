"""Binarized neural networks on PYNQ-Z1/Z2 boards, and on any computer without one.

>>> from pynq_bnn import classify
>>> classify("cat.jpg").label
'cat'
"""

from .classify.classifier import Classifier, classify
from .classify.result import BatchResult, Result
from .errors import PynqBnnError
from .network import Network, load_network, save_network
from .version import __version__

__all__ = ["BatchResult", "Classifier", "Network", "PynqBnnError", "Result", "__version__", "classify",
           "load_network", "save_network"]
