// Where everything would like to be: quadratic wire length, spread until it fits the slices.
#pragma once

#include <vector>

#include "cost.h"
#include "legal.h"
#include "place.h"

namespace pnr {

// By object of `cost`, whose places serve as the first guess and are changed.
std::vector<Wish> quadratic_start(const Design& design, const Fabric& fabric, Cost& cost, const PlaceProgress& progress);

}  // namespace pnr
