// Placement: simulated annealing of letters, slices, chains and blocks, led by wire length and delays.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "fabric.h"
#include "pack.h"
#include "timing.h"

namespace pnr {

// Where everything is. A letter's spot is 8 * slice + 2 * letter, plus 1 for a flip-flop that shares the letter with
// another atom.
struct Placement {
    std::vector<std::int32_t> atom_spot;
    std::vector<std::int32_t> macro_slice;             // its lowest
    std::vector<std::int32_t> ram_place, dsp_place;    // Fabric::rams, dsps; of a column of DSPs the lowest
};

struct PlaceOptions {
    std::uint64_t seed = 1;
    double effort = 1;        // moves at each temperature, relative
};

using PlaceProgress = std::function<void(double done, const std::string& line)>;

// Throws Error when the design does not fit. The same input gives the same placement. Leaves in `timing` the estimates.
Placement place(const Design& design, const Fabric& fabric, const DelayTable& delays, Timing& timing,
                const PlaceOptions& options, const PlaceProgress& progress);

}  // namespace pnr
