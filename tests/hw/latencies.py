"""Cycles that the modules promise each other; a change of the pipeline is a change of a line here."""

DOT_ADD = 4            # bnn_dot: from a word to the cycle in which it is added
DOT_BIT = 6            # bnn_dot: from a word to its result's bit
LANE_WORD = 3          # bnn_lane: from an address to word_o
LANE_ACT = 4           # bnn_lane: from an address to act_o
ARRAY_ACT = 2          # bnn_array: from a step to its words at act_i
READ_OUT = 4           # bnn_lanes: from bnn_output's fetch to the word
TILE_GAP = 7           # bnn_steps: from a tile's last step to the next one's thresholds
LAYER_DONE = 5         # bnn_steps: from a layer's last step to done_o
DRAIN = 27             # bnn_sequencer: at least so many cycles between a layer's last step and what reads its map
WINDOWS = 10           # bnn_windows: from a position to its window


def array_bits(pe: int) -> int:
    """bnn_array: from a step to its result's bits."""
    return 8 + pe // 8
