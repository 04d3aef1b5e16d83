// A first legal placement near wished places.
#pragma once

#include <vector>

#include "cost.h"
#include "place.h"
#include "spots.h"

namespace pnr {

struct Wish {
    float x, y;
};

// Puts everything at free places as near as may be to `wishes` (by object); fills `spots` and the blocks of `placement`.
// Throws Error when the design does not fit.
void place_near(const Design& design, const Fabric& fabric, const Objects& objects, const std::vector<Wish>& wishes,
                Spots& spots, Placement& placement);

}  // namespace pnr
