// A placed design as slices with their letters, and as the nets that the router is to connect.
#pragma once

#include <vector>

#include "fabric.h"
#include "pack.h"
#include "place.h"
#include "route.h"

namespace pnr {

// An input of a LUT's letter and the router's sink that brings it.
struct LutInput {
    NetId net;
    std::int32_t route_net, sink;
};

struct PlacedLetter {
    Letter letter;
    std::vector<LutInput> inputs;
    bool either = false;               // its flip-flop's D comes by AX or through the LUT, as the router chooses
};

struct PlacedSlice {
    std::int32_t place;                // Fabric::slices
    Slice slice;                       // its letters are those below
    std::array<PlacedLetter, 4> letters;
    bool shifts = false;               // has a shift register
};

struct PlacedBlock {
    CellId cell;
    SiteId site;
};

// A connection of the netlist: which sink of which net brings it.
struct Routed {
    std::size_t connection;            // of Timing
    std::int32_t net, sink;
};

struct Assembly {
    std::vector<Lut> luts;             // of the design, and those added to pass flip-flops' inputs
    std::vector<PlacedSlice> slices;
    std::vector<PlacedBlock> blocks;
    std::vector<Net> nets;
    std::vector<Routed> connections;
};

Assembly assemble(const Design& design, const Fabric& fabric, const Placement& placement, const Timing& timing);

}  // namespace pnr
