#include "lookahead.h"

#include <algorithm>
#include <cmath>
#include <queue>

namespace pnr {
namespace {

// The tile of a kind nearest to the middle of all tiles of that kind.
TileId middle(const Device& device, std::string_view kind) {
    std::vector<TileId> all;
    int x0 = 1 << 20, y0 = 1 << 20, x1 = -1, y1 = -1;
    for (TileId tile = 0; tile < device.tiles(); ++tile) {
        if (device.tile_kind(tile) != kind) continue;
        all.push_back(tile);
        x0 = std::min(x0, device.column(tile)), x1 = std::max(x1, device.column(tile));
        y0 = std::min(y0, device.row(tile)), y1 = std::max(y1, device.row(tile));
    }
    const auto distance = [&](TileId tile) {
        return std::abs(2 * device.column(tile) - x0 - x1) + std::abs(2 * device.row(tile) - y0 - y1);
    };
    const auto nearer = [&](TileId a, TileId b) { return distance(a) < distance(b); };
    const auto best = std::min_element(all.begin(), all.end(), nearer);
    return best == all.end() ? kNone : *best;
}

}  // namespace

Lookahead::Lookahead(const State& state) {
    const Device& device = state.device();
    for (NodeId node = 0; node < device.nodes(); ++node) types_ = std::max<std::size_t>(types_, state[node].type + 1u);
    table_.assign(types_ * (2 * kColumns + 1) * (2 * kRows + 1), kFar);
    for (const char* kind : {"INT_L", "INT_R"}) {
        const TileId tile = middle(device, kind);
        if (tile != kNone) measure(state, tile);
    }
    fill_gaps();
}

// Dijkstra against the switches' direction, from all ways into site pins that the tile has.
void Lookahead::measure(const State& state, TileId tile) {
    const Device& device = state.device();
    const int x = device.column(tile), y = device.row(tile);
    std::vector<float> delay(device.nodes(), 1e9f);
    using Entry = std::pair<float, NodeId>;
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
    for (NodeId node = 0; node < device.nodes(); ++node) {
        const NodeState& about = state[node];
        if (about.x != x || about.y != y || !(about.flags & kTerminal) || about.flags & kClosed) continue;
        delay[node] = 0;
        queue.emplace(0.f, node);
    }
    while (!queue.empty() && queue.top().first < kStep * (kFar - 1)) {
        const auto [so_far, node] = queue.top();
        queue.pop();
        if (so_far > delay[node]) continue;
        note(state[node], x, y, so_far);
        device.drivers(node, [&, so_far = so_far, node = node](PipId pip, NodeId from) {
            if (state[from].flags & (kClosed | kTerminal)) return;
            const float total = so_far + device.arc_delay(device.pip_class(pip), node);
            if (total >= delay[from]) return;
            delay[from] = total;
            queue.emplace(total, from);
        });
    }
}

void Lookahead::note(const NodeState& node, int x, int y, float delay) {
    const int dx = node.x - x, dy = node.y - y;
    if (std::abs(dx) > kColumns || std::abs(dy) > kRows) return;
    const auto steps = static_cast<std::uint8_t>(std::clamp(delay / kStep, 0.f, static_cast<float>(kFar - 1)));
    for (const unsigned type : {unsigned{node.type}, 0u}) {
        std::uint8_t& entry = table_[place(type, dx, dy)];
        entry = std::min(entry, steps);
    }
}

// Where nothing was seen of a wire, what wires of any kind need; where nothing was seen at all (the processing system
// takes a corner of the fabric), what is seen in the opposite direction.
void Lookahead::fill_gaps() {
    const std::size_t places = table_.size() / types_;
    for (std::size_t n = 0; n < places; ++n) {
        if (table_[n * types_] != kFar) continue;
        const std::size_t row = n / (2 * kColumns + 1), column = n % (2 * kColumns + 1);
        const std::size_t mirrored = row * (2 * kColumns + 1) + 2 * kColumns - column;
        const std::size_t turned = places - 1 - n;
        table_[n * types_] = std::min(table_[mirrored * types_], table_[turned * types_]);
    }
    for (std::size_t first = 0; first < table_.size(); first += types_) {
        for (std::size_t type = 1; type < types_; ++type) {
            if (table_[first + type] == kFar) table_[first + type] = table_[first];
        }
    }
}

}  // namespace pnr
