// How far a node is from a tile: the least delay that wires alone can need, by kind of wire and distance.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "state.h"

namespace pnr {

class Lookahead {
public:
    // Measures it on the device: the shortest ways into two tiles in its middle, from everywhere.
    explicit Lookahead(const State& state);

    // ns from a node to the site pins of the tile at column x and row y.
    float operator()(const NodeState& node, int x, int y) const {
        return beyond(node.x - x, node.y - y) + kStep * table_[place(node.type, node.x - x, node.y - y)];
    }

private:
    static constexpr int kColumns = 40, kRows = 60;  // largest distances in the table
    static constexpr float kStep = 0.0125f;
    static constexpr std::uint8_t kFar = 255;

    // Beyond the table each column and row counts what it takes by the longest wires.
    static constexpr float kColumnDelay = 0.07f, kRowDelay = 0.03f;

    static int clip(int distance, int limit) { return std::clamp(distance, -limit, limit); }
    static float beyond(int dx, int dy) {
        const int far_x = std::max(std::abs(dx) - kColumns, 0), far_y = std::max(std::abs(dy) - kRows, 0);
        return kColumnDelay * static_cast<float>(far_x) + kRowDelay * static_cast<float>(far_y);
    }
    std::size_t place(unsigned type, int dx, int dy) const {
        const int column = clip(dx, kColumns) + kColumns, row = clip(dy, kRows) + kRows;
        return static_cast<std::size_t>(row * (2 * kColumns + 1) + column) * types_ + type;
    }
    void measure(const State& state, TileId tile);
    void note(const NodeState& node, int x, int y, float delay);
    void fill_gaps();

    std::size_t types_ = 0;
    std::vector<std::uint8_t> table_;
};

}  // namespace pnr
