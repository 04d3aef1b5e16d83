// What a routed design means for the configuration: features in Project X-Ray's names.
#pragma once

#include <string>
#include <vector>

#include "assemble.h"

namespace pnr {

// "TILE.FEATURE" for what is on, "TILE.FEATURE=0x..." for vectors of bits.
std::vector<std::string> features(const Design& design, const Fabric& fabric, const Assembly& assembly,
                                  const std::vector<Route>& routes);

// The table of a LUT position: of O6, or of O5 in the lower half where both are used. `pin_of` gives for a net the input
// (0 to 5) that brings it.
std::uint64_t lut_table(const Lut* six, const Lut* five, const std::vector<std::pair<NetId, int>>& pin_of);

}  // namespace pnr
