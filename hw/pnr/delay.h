// Delays of a routed net by Project X-Ray's model: each switch has a delay of its own, and drives a tree of wires with
// resistance and capacitance (Elmore: a resistance delays by all the capacitance after it).
#pragma once

#include <vector>

#include "route.h"

namespace pnr {

// A node of a routed net, and the switch that drives it from another branch. Parents come before their children.
struct Branch {
    NodeId node;
    std::uint32_t parent;  // kNone: a site drives it
    PipId pip;
};

// For each of `ends` (numbers of branches at site pins) the delay from the site that drives the net, both pins' own
// delays included. Resistance and capacitance are the same at both corners.
std::vector<Delay> tree_delays(const Device& device, const std::vector<Branch>& tree,
                               const std::vector<std::uint32_t>& ends);

// The same for a Route.
std::vector<Delay> net_delays(const Device& device, const std::vector<RoutedPip>& pips,
                              const std::vector<NodeId>& pins);

}  // namespace pnr
