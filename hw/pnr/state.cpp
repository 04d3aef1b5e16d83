#include "state.h"

#include <algorithm>
#include <map>

namespace pnr {
namespace {

bool is_interconnect(std::string_view kind) { return kind == "INT_L" || kind == "INT_R"; }

}  // namespace

State::State(const Device& device) : device_(device), nodes_(device.nodes()) {
    place_nodes();
    mark_terminal();
    for (SiteId site = 0; site < device.sites(); ++site) {
        if (device.site_type(site) != "TIEOFF") continue;
        for (const Pin& pin : device.pins(site)) {
            const NodeId node = device.pin_node(site, pin);
            if (node != kNone) nodes_[node].flags |= kClosed;
        }
    }
}

// A node's place and type are those of the wire of an INT tile by which it is left, so that all wires of one kind have
// their places at the same end. Type 0 is for what has no such wire.
void State::place_nodes() {
    std::map<std::pair<bool, unsigned>, std::uint16_t> types;  // by side and wire
    std::vector<std::uint8_t> side(device_.tiles());           // 1, 2: INT_L, INT_R
    for (TileId tile = 0; tile < device_.tiles(); ++tile) {
        if (is_interconnect(device_.tile_kind(tile))) side[tile] = device_.tile_kind(tile) == "INT_L" ? 1 : 2;
    }
    for (NodeId node = 0; node < device_.nodes(); ++node) {
        NodeState& state = nodes_[node];
        int best = -1;
        device_.wires(node, [&](TileId tile, unsigned wire, bool leaves) {
            const int rank = side[tile] == 0 ? 0 : leaves ? 2 : 1;
            if (rank <= best) return;
            best = rank;
            state.x = static_cast<std::uint8_t>(device_.column(tile));
            state.y = static_cast<std::uint8_t>(device_.row(tile));
            if (rank < 2) return;
            const auto next = static_cast<std::uint16_t>(types.size() + 1);
            state.type = types.emplace(std::make_pair(side[tile] == 2, wire), next).first->second;
        });
        if (device_.dedicated(node)) state.flags |= kClosed;
    }
}

// A node is terminal when everything that it leads to is.
void State::mark_terminal() {
    std::vector<std::uint32_t> open(device_.nodes());
    std::vector<NodeId> found;
    for (NodeId node = 0; node < device_.nodes(); ++node) {
        open[node] = static_cast<std::uint32_t>(device_.arcs(node).size());
        if (open[node] == 0) found.push_back(node);
    }
    while (!found.empty()) {
        const NodeId node = found.back();
        found.pop_back();
        nodes_[node].flags |= kTerminal;
        device_.drivers(node, [&](PipId, NodeId from) {
            if (--open[from] == 0) found.push_back(from);
        });
    }
}

void State::ways_in(NodeId pin, std::vector<NodeId>& ways) const {
    const auto first = static_cast<std::ptrdiff_t>(ways.size());
    ways.push_back(pin);
    NodeId entry = kNone;
    std::vector<NodeId> level{pin};
    while (!level.empty()) {
        std::vector<NodeId> before;
        for (const NodeId node : level) {
            device_.drivers(node, [&](PipId, NodeId from) {
                if (nodes_[from].flags & kTerminal) before.push_back(from);
                else if (!(nodes_[from].flags & kClosed)) entry = node;
            });
        }
        if (entry != kNone) break;
        level.clear();
        for (const NodeId node : before) {
            if (std::find(ways.begin() + first, ways.end(), node) != ways.end()) continue;
            ways.push_back(node);
            level.push_back(node);
        }
    }
    if (entry != kNone) std::iter_swap(std::find(ways.begin() + first, ways.end(), entry), ways.end() - 1);
}

void State::reserve(NodeId pin, std::uint32_t net) {
    for (NodeId node = pin; node != kNone;) {
        NodeState& state = nodes_[node];
        if (state.owner != kNone && state.owner != net) {
            throw Error("two nets want site pins that share their only way in, " + device_.node_name(node) +
                        "; the placement is at fault");
        }
        state.owner = net;
        NodeId only = kNone;
        unsigned count = 0;
        device_.drivers(node, [&](PipId, NodeId from) {
            if (nodes_[from].flags & kClosed && !device_.dedicated(from)) return;  // a tie-off is no way for a signal
            if (from != only) ++count;
            only = from;
        });
        node = count == 1 && device_.output_pin(only) == nullptr ? only : kNone;
    }
}

}  // namespace pnr
