// Names of the pins of sites by those of the cells in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "netlist.h"

namespace pnr {

// The pins of the cell's site that a pin of a block RAM, DSP, PS7 or BUFG stands for: two where both halves of a block
// RAM have their own, none where it is an output without a wire.
std::vector<std::string> site_pins(const Cell& cell, std::string_view pin);

// Whether the configuration can invert the pin; then a constant 0 is a 1 inverted, which needs no wire.
bool invertible(const Cell& cell, std::string_view pin);

// Whether a connection is fixed wiring between neighbours: carries within a chain, results of DSPs.
bool fixed_wire(const Cell& cell, std::string_view pin);

// Pins of a DSP that are tied within its tile where nothing uses them.
std::vector<std::string> idle_dsp_pins();

}  // namespace pnr
