// Delays of a routed net by Project X-Ray's model: each switch has a delay of its own, and drives a tree of wires with
// resistance and capacitance (Elmore: a resistance delays by all the capacitance after it).
#pragma once

#include <vector>

#include "route.h"

namespace pnr {

// For each sink pin of `pins` the delay from the site that drives it, both pins' own delays included. `pips` is a tree,
// each switch after the one that drives it. Resistance and capacitance are the same at both corners.
std::vector<Delay> net_delays(const Device& device, const std::vector<RoutedPip>& pips, const std::vector<NodeId>& pins);

}  // namespace pnr
