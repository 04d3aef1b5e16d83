// Finding the way of one connection: forwards by A* for signals, backwards for constants and clocks.
#pragma once

#include <queue>
#include <unordered_map>
#include <vector>

#include "delay.h"
#include "lookahead.h"
#include "state.h"

namespace pnr {

// What is routed of a net.
struct Wiring {
    std::vector<Branch> tree;
    std::vector<float> reach;         // by branch: ns from the source, by Device::arc_delay
    std::vector<std::uint32_t> ends;  // by sink: its branch, kNone: open
};

// What one connection may cost.
struct Terms {
    float criticality = 0;  // how much of the price is delay, 0 to 1
    float pressure = 0;     // how much each other net on a wire adds to its price
    float displace = 0;     // ns that each other net on a wire adds to its price
    bool strict = false;    // enter no wire that another net uses
    std::size_t visits = 0;  // give up after so many nodes; 0: never
    int x0 = 0, y0 = 0, x1 = 255, y1 = 255;  // stay within these columns and rows
};

class Search {
public:
    Search(State& state, const Lookahead& lookahead) : state_(state), lookahead_(lookahead) {}

    // Learns the ways into a pin, once before it is searched for.
    void add_pin(NodeId pin);
    // The state of the node by which a pin is entered: where the sink is.
    const NodeState& entry(NodeId pin) const;

    // Marks the net's nodes as its own and takes its sources as roots; close() ends that. Between the two its sinks can
    // be connected. Sources are roots for as long as the tree lives.
    void open(std::uint32_t net, Wiring& wiring, const std::vector<NodeId>& sources);
    void close();

    // Leads a sink to the open net's tree by the cheapest way; false: there is none on these terms.
    bool connect(std::uint32_t sink, const std::vector<NodeId>& pins, const Terms& terms);
    // The same backwards from the pin to the nearest wire of the tree, over nodes that are free: clock resources for a
    // clock, others for a constant.
    bool connect_backwards(std::uint32_t sink, const std::vector<NodeId>& pins, bool clock);
    // The same by way of a node: it leads the tree to that node, and on from there to the pin.
    bool connect_over(std::uint32_t sink, NodeId via, NodeId pin, const Terms& terms);
    // Leads a sink along given nodes: the first in the tree, the last its pin.
    void connect_along(std::uint32_t sink, const std::vector<NodeId>& path);

    // Takes sinks that `drop` marks, and all that only they need, out of the wiring of a net that is not open.
    void prune(Wiring& wiring, const std::vector<bool>& drop);

    std::size_t visits() const { return visits_; }  // nodes expanded so far

private:
    struct Entry {
        float estimate, cost;
        NodeId node;
        // The queue gives the smallest first; the node makes its order the same everywhere.
        bool operator<(const Entry& other) const {
            return estimate != other.estimate ? estimate > other.estimate : node > other.node;
        }
    };

    void mark_targets(const std::vector<NodeId>& pins);
    void push_tree(const Terms& terms);
    std::vector<NodeId> cheapest_way(const std::vector<NodeId>& goals, const Terms& terms);
    void push(NodeId node, float cost, NodeId previous);
    void expand(NodeId node, const Terms& terms);
    void add_branch(NodeId from, NodeId to);

    State& state_;
    const Lookahead& lookahead_;
    std::unordered_map<NodeId, std::pair<std::uint32_t, std::uint32_t>> ways_;  // by pin: a range of way_nodes_
    std::vector<NodeId> way_nodes_;

    std::uint32_t net_ = kNone;
    Wiring* wiring_ = nullptr;
    std::unordered_map<NodeId, std::uint32_t> place_;  // the open net's branches

    std::uint32_t search_ = 0;
    int x_ = 0, y_ = 0;  // of the sink
    float haste_ = 1;
    std::priority_queue<Entry> queue_;
    std::size_t visits_ = 0;
};

}  // namespace pnr
