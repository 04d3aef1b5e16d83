// What the router knows of each node while it works.
#pragma once

#include <vector>

#include "device.h"

namespace pnr {

// One cache line holds two: a search touches a node's state once for each arc that leads there.
struct alignas(32) NodeState {
    float cost = 0;             // of the search that `search` names
    std::uint32_t search = 0;
    NodeId previous = kNone;
    std::uint32_t target = 0;   // the search of whose sink this node is the way in
    std::uint32_t owner = kNone;  // the one net that may use it: it is the only way to one of its pins
    float history = 0;          // ns that congestion of past rounds has added to its price
    std::uint16_t usage = 0;    // nets that use it
    std::uint16_t type = 0;     // for Lookahead
    std::uint8_t x = 0, y = 0;  // where it can be left, in columns and rows of INT tiles
    std::uint8_t flags = 0;
    std::uint8_t unused = 0;
};

constexpr std::uint8_t kTerminal = 1;  // leads to site pins alone, so it is entered only on the way to a sink's
constexpr std::uint8_t kClosed = 2;    // a clock resource or tie-off, closed to data
constexpr std::uint8_t kOwn = 4;       // of the tree of the net being routed

class State {
public:
    explicit State(const Device& device);

    const Device& device() const { return device_; }
    NodeState& operator[](NodeId node) { return nodes_[node]; }
    const NodeState& operator[](NodeId node) const { return nodes_[node]; }
    std::uint32_t new_search() { return ++search_; }

    // The shortest ways into a pin: the pin and the terminal nodes before it, back to those that others lead to. The
    // pin comes first, a node by which others enter last. Longer ways are left out.
    void ways_in(NodeId pin, std::vector<NodeId>& ways) const;

    // Keeps the nodes that are the only way to a pin for one net.
    // Throws Error when a node is already kept for another.
    void reserve(NodeId pin, std::uint32_t net);

private:
    void place_nodes();
    void mark_terminal();

    const Device& device_;
    std::vector<NodeState> nodes_;
    std::uint32_t search_ = 0;
};

}  // namespace pnr
