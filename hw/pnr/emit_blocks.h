// Features of block RAMs, DSPs and clock buffers.
#pragma once

#include <string>
#include <vector>

#include "device.h"
#include "netlist.h"

namespace pnr {

// Throws Error for a mode that this program does not know.
std::vector<std::string> block_features(const Cell& cell, const Device& device, SiteId site);

}  // namespace pnr
