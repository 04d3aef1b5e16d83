// The router: negotiated congestion (PathFinder) on the device's nodes, led by the delays of connections.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "device.h"

namespace pnr {

enum class Kind : std::uint8_t { signal, clock, ground, supply };

struct Sink {
    // The nodes of site pins that would do: one, or the inputs of a LUT that can be exchanged. The router takes one,
    // and no two sinks the same. Repeating a set for several sinks is how exchanges are offered.
    std::vector<NodeId> pins;
    float criticality = 0;    // 0 to 1; the timing hook may change it between rounds
    float required_min = 0;   // ns of fast_min that the connection must not be below (hold)
};

struct Net {
    std::string name;
    Kind kind = Kind::signal;
    // Nodes of site pins that drive it. Ground and supply may leave this empty: all tie-offs are theirs.
    std::vector<NodeId> sources;
    std::vector<Sink> sinks;
};

struct RoutedPip {
    NodeId from, to;
    PipId pip;
};

struct Route {
    std::vector<RoutedPip> pips;  // as a tree: each after the one that drives it
    std::vector<NodeId> pins;     // by sink: which of its pins was taken
    std::vector<Delay> delays;    // by sink: from the source's site to the sink's, both pins' delays included
};

struct Options {
    int rounds = 200;             // of negotiation before it is given up
    int timing_passes = 20;       // of routing the worst nets again when nothing is contested any more
    float hold_margin = 0;        // ns above required_min
};

// How far a step is (0 to 1), and a line about it.
using Progress = std::function<void(double done, const std::string& line)>;

// Called between rounds with `pins` and `delays` of all connections (`pips` come with the result). It may change
// `criticality` and `required_min` of the sinks and returns the worst setup slack in ns, which the router raises.
using TimingHook = std::function<float(std::vector<Net>& nets, const std::vector<Route>& routes)>;

// Routes all nets; the result has one Route a net, in their order. The same input gives the same result.
// Throws Error when a sink cannot be reached at all, or when wires stay contested after the last round.
std::vector<Route> route(const Device& device, std::vector<Net>& nets, const Options& options, const Progress& progress,
                         const TimingHook& timing = {});

}  // namespace pnr
