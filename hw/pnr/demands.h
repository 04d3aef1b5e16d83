// Connections that the timing analysis of the configuration wants longer, from a text: one a line.
#pragma once

#include <istream>
#include <vector>

#include "device.h"

namespace pnr {

// The connection to the site pin on a node lacks so many ns at the fast corner.
struct Demand {
    NodeId pin;
    float missing;
};

// Reads lines "TILE/WIRE NS" up to one that says "route". False: the input ended before any line.
// Throws Error when a line is something else, names no node, or the input ends without "route".
bool read_demands(std::istream& in, const Device& device, std::vector<Demand>& demands);

}  // namespace pnr
