"""Notebooks that ``pynq get-notebooks pynq-bnn`` copies, see ``pynq.notebooks`` in setup.py."""
