"""Bitstreams with their handoff files; pynq looks into this folder, see ``pynq.overlays`` in setup.py."""
