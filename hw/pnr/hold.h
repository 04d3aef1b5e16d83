// How long connections must be at least, so that an input does not change before its clock has reached it.
#pragma once

#include <vector>

#include "device.h"
#include "route.h"

namespace pnr {

// Sets `required_min` of the sinks of signal nets. The clock reaches clock regions at different times, up to 0.3 ns apart
// at the fast corner, and memories want their inputs held longest; what is required covers both, so that no end has less
// margin than designs that are known to work. `flows/sta` says what margins the bits really have.
void require_hold(const Device& device, std::vector<Net>& nets);

}  // namespace pnr
