// The places that cells can take: slices in columns, block RAMs, DSPs; and how long connections between them are.
#pragma once

#include <string_view>
#include <vector>

#include "device.h"

namespace pnr {

// A place in columns and rows of INT tiles.
struct Point {
    std::int16_t x = 0, y = 0;
    bool operator==(const Point& other) const { return x == other.x && y == other.y; }
};

struct Place {
    SiteId site;
    Point at;
    bool memory;         // a SLICEM
    std::int32_t above;  // the place that a carry (or a DSP's result) goes on to; -1: none
};

class Fabric {
public:
    // Throws Error: the device lacks the processing system or clock buffers.
    explicit Fabric(const Device& device);

    const Device& device() const { return device_; }
    const std::vector<Place>& slices() const { return slices_; }
    const std::vector<Place>& rams() const { return rams_; }
    const std::vector<Place>& dsps() const { return dsps_; }
    SiteId processor() const { return processor_; }
    SiteId clock_buffer() const { return clock_buffer_; }

    // Columns with slices, rising; the column of them that is nearest to x.
    const std::vector<std::int16_t>& columns() const { return columns_; }
    std::size_t column_near(int x) const;
    int rows() const { return rows_; }
    // The slices of a tile of the n-th column: none to two.
    Span<std::int32_t> slices_at(std::size_t column, int row) const {
        const std::size_t tile = column * rows_ + row;
        return {by_tile_.data() + tile_first_[tile], static_cast<std::size_t>(tile_first_[tile + 1] - tile_first_[tile])};
    }
    // Where the switch box is that a pin's node is reached from or left to.
    Point pin_place(NodeId node, bool output) const;

private:
    void index_columns();

    const Device& device_;
    std::vector<Place> slices_, rams_, dsps_;
    SiteId processor_ = kNone, clock_buffer_ = kNone;
    std::vector<std::int16_t> columns_;
    std::vector<std::int32_t> tile_first_, by_tile_;
    int rows_ = 0;
};

// The delay of a connection by distance, as the device's own graph gives it where nothing is in the way.
class DelayTable {
public:
    explicit DelayTable(const Fabric& fabric);
    float operator()(Point from, Point to) const {
        const int x = from.x < to.x ? to.x - from.x : from.x - to.x, y = from.y < to.y ? to.y - from.y : from.y - to.y;
        return delay_[x * rows_ + y];
    }

private:
    void measure(const Fabric& fabric, const Place& from, std::vector<float>& sum, std::vector<int>& count) const;
    void fill(const std::vector<float>& sum, const std::vector<int>& count);

    int columns_, rows_;
    std::vector<float> delay_;
};

}  // namespace pnr
