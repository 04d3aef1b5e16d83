"""From a bitstream back to the circuit that its bits hold, and from features to a bitstream.

``bitfile`` reads and writes the container, ``features`` gives the bits their meaning, ``circuit`` follows the switches
that the bits close, ``cells`` makes a netlist of it, ``compare`` holds that against another netlist. None of this takes
a word from the tools that made the bitstream.
"""
