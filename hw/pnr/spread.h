// Spreading: objects move apart, as little as may be, until no part of the device holds more than its slices can.
#pragma once

#include <vector>

#include "fabric.h"
#include "legal.h"

namespace pnr {

class Spreader {
public:
    // `area` of each object in letters of slices; 0: it is not spread.
    Spreader(const Fabric& fabric, std::vector<float> area);
    void spread(std::vector<Wish>& at) const;

private:
    struct Region {
        int x0, y0, x1, y1;  // columns with slices and rows, ends not included
    };
    float capacity(const Region& region) const;
    Region smallest(const std::vector<Wish>& at) const;
    void divide(const Region& region, std::vector<std::int32_t>& objects, std::vector<Wish>& at, int depth) const;
    void settle(const Region& region, const std::vector<std::int32_t>& objects, std::vector<Wish>& at) const;

    const Fabric& fabric_;
    std::vector<float> area_;
    std::vector<float> sums_;  // letters left of and below each tile
    int columns_, rows_;
};

}  // namespace pnr
