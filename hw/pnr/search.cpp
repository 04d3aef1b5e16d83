#include "search.h"

#include <algorithm>
#include <cstdlib>

namespace pnr {
namespace {

// The estimate counts more than it should: far fewer nodes are visited for ways that are hardly longer. Critical
// connections take more time.
constexpr float kHaste = 1.6f, kCriticalHaste = 1.15f;
// Of a tree with more branches than this, a search starts from those near the sink.
constexpr std::size_t kLargeTree = 48;
constexpr int kNear = 8;

}  // namespace

void Search::add_pin(NodeId pin) {
    const auto first = static_cast<std::uint32_t>(way_nodes_.size());
    const auto [entry, added] = ways_.emplace(pin, std::make_pair(first, 0u));
    if (!added) return;
    state_.ways_in(pin, way_nodes_);
    entry->second.second = static_cast<std::uint32_t>(way_nodes_.size()) - first;
}

const NodeState& Search::entry(NodeId pin) const {
    const auto [first, count] = ways_.at(pin);
    return state_[way_nodes_[first + count - 1]];
}

void Search::open(std::uint32_t net, Wiring& wiring, const std::vector<NodeId>& sources) {
    net_ = net;
    wiring_ = &wiring;
    if (wiring.tree.empty()) {
        for (const NodeId source : sources) {
            wiring.tree.push_back({source, kNone, {}});
            wiring.reach.push_back(0);
        }
    }
    place_.clear();
    for (std::uint32_t n = 0; n < wiring.tree.size(); ++n) {
        place_.emplace(wiring.tree[n].node, n);
        state_[wiring.tree[n].node].flags |= kOwn;
    }
}

void Search::close() {
    for (const Branch& branch : wiring_->tree) state_[branch.node].flags &= static_cast<std::uint8_t>(~kOwn);
    wiring_ = nullptr;
}

bool Search::connect(std::uint32_t sink, const std::vector<NodeId>& pins, const Terms& terms) {
    mark_targets(pins);
    queue_ = {};
    push_tree(terms);
    const std::vector<NodeId> path = cheapest_way(pins, terms);
    if (path.empty()) return false;
    connect_along(sink, path);
    return true;
}

bool Search::connect_over(std::uint32_t sink, NodeId via, NodeId pin, const Terms& terms) {
    search_ = state_.new_search();
    x_ = state_[via].x, y_ = state_[via].y;
    queue_ = {};
    push_tree(terms);
    const std::vector<NodeId> path = cheapest_way({via}, terms);
    if (path.empty()) return false;
    connect_along(sink, path);
    mark_targets({pin});
    queue_ = {};
    push(via, 0, kNone);
    const std::vector<NodeId> rest = cheapest_way({pin}, terms);
    if (rest.empty()) return false;
    connect_along(sink, rest);
    return true;
}

// From the nodes in the queue to one of the goals; empty: there is no way.
std::vector<NodeId> Search::cheapest_way(const std::vector<NodeId>& goals, const Terms& terms) {
    const std::size_t last = visits_ + terms.visits;
    while (!queue_.empty() && (!terms.visits || visits_ < last)) {
        const Entry best = queue_.top();
        queue_.pop();
        if (best.cost > state_[best.node].cost) continue;
        if (std::find(goals.begin(), goals.end(), best.node) != goals.end()) {
            std::vector<NodeId> path{best.node};
            while (state_[path.back()].previous != kNone) path.push_back(state_[path.back()].previous);
            std::reverse(path.begin(), path.end());
            return path;
        }
        expand(best.node, terms);
    }
    return {};
}

// Pins that another sink of the net has taken are no targets.
void Search::mark_targets(const std::vector<NodeId>& pins) {
    search_ = state_.new_search();
    for (const NodeId pin : pins) {
        const auto [first, count] = ways_.at(pin);
        if (state_[pin].flags & kOwn) continue;
        for (std::uint32_t n = first; n < first + count; ++n) state_[way_nodes_[n]].target = search_;
    }
    x_ = entry(pins.front()).x;
    y_ = entry(pins.front()).y;
}

void Search::push_tree(const Terms& terms) {
    haste_ = kHaste + (kCriticalHaste - kHaste) * terms.criticality;
    const std::vector<Branch>& tree = wiring_->tree;
    const auto distance = [&](const NodeState& state) { return std::abs(state.x - x_) + std::abs(state.y - y_); };
    int limit = 1 << 20;
    if (tree.size() > kLargeTree && terms.criticality < 0.5f) {
        for (const Branch& branch : tree) {
            const NodeState& state = state_[branch.node];
            if (!(state.flags & kTerminal)) limit = std::min(limit, distance(state) + kNear);
        }
    }
    for (std::uint32_t n = 0; n < tree.size(); ++n) {
        const NodeState& state = state_[tree[n].node];
        const bool pin = (state.flags & kTerminal) && tree[n].parent != kNone;
        if (pin || distance(state) > limit) continue;
        push(tree[n].node, terms.criticality * wiring_->reach[n], kNone);
    }
}

void Search::push(NodeId node, float cost, NodeId previous) {
    NodeState& state = state_[node];
    state.search = search_;
    state.cost = cost;
    state.previous = previous;
    const float left = state.target == search_ ? 0 : lookahead_(state, x_, y_);
    queue_.push({cost + haste_ * left, cost, node});
}

void Search::expand(NodeId node, const Terms& terms) {
    const float so_far = state_[node].cost;
    ++visits_;
    for (const Arc arc : state_.device().arcs(node)) {
        const NodeState& next = state_[arc.node];
        const bool way_in = next.target == search_;
        if (next.flags & kOwn || (next.flags & (kTerminal | kClosed) && !way_in)) continue;
        if (next.owner != kNone && next.owner != net_) continue;
        const bool inside = next.x >= terms.x0 && next.x <= terms.x1 && next.y >= terms.y0 && next.y <= terms.y1;
        if (!inside && !way_in) continue;
        if (terms.strict && next.usage) continue;
        const float delay = static_cast<float>(arc.delay) * kArcStep;
        const float price = (delay + next.history) * (1 + terms.pressure * static_cast<float>(next.usage));
        const float cost = so_far + terms.criticality * delay + (1 - terms.criticality) * price +
                           terms.displace * static_cast<float>(next.usage);
        if (next.search == search_ && next.cost <= cost) continue;
        push(arc.node, cost, node);
    }
}

bool Search::connect_backwards(std::uint32_t sink, const std::vector<NodeId>& pins, bool clock) {
    search_ = state_.new_search();
    std::vector<NodeId> reached;
    for (const NodeId pin : pins) {
        NodeState& state = state_[pin];
        if (state.flags & kOwn || state.usage) continue;
        state.search = search_;
        state.previous = kNone;
        reached.push_back(pin);
    }
    NodeId found = kNone;
    for (std::size_t n = 0; n < reached.size() && found == kNone; ++n) {
        const NodeId node = reached[n];
        ++visits_;
        state_.device().drivers(node, [&](PipId pip, NodeId from) {
            NodeState& state = state_[from];
            if (found != kNone || state.search == search_) return;
            const bool mine = state.owner == net_, own = state.flags & kOwn, closed = state.flags & kClosed;
            // A clock's way from the PS7 begins with wires that are no clock resource, but fixed connections.
            const bool fits = clock ? closed || state_.device().pip_how(pip) == PipHow::always : !closed;
            if (!own && !mine && !(fits && state.owner == kNone && !state.usage)) return;
            state.search = search_;
            state.previous = node;
            if (own) found = from;
            reached.push_back(from);
        });
    }
    if (found == kNone) return false;
    std::vector<NodeId> path{found};
    while (state_[path.back()].previous != kNone) path.push_back(state_[path.back()].previous);
    connect_along(sink, path);
    return true;
}

void Search::connect_along(std::uint32_t sink, const std::vector<NodeId>& path) {
    for (std::size_t n = 1; n < path.size(); ++n) add_branch(path[n - 1], path[n]);
    wiring_->ends[sink] = place_.at(path.back());
}

void Search::add_branch(NodeId from, NodeId to) {
    const std::uint32_t parent = place_.at(from);
    const PipId pip = state_.device().find_pip(from, to);
    const float delay = state_.device().arc_delay(state_.device().pip_class(pip), to);
    place_.emplace(to, static_cast<std::uint32_t>(wiring_->tree.size()));
    wiring_->tree.push_back({to, parent, pip});
    wiring_->reach.push_back(wiring_->reach[parent] + delay);
    state_[to].flags |= kOwn;
    ++state_[to].usage;
}

void Search::prune(Wiring& wiring, const std::vector<bool>& drop) {
    std::vector<std::uint32_t> number(wiring.tree.size(), kNone);
    for (std::size_t sink = 0; sink < wiring.ends.size(); ++sink) {
        if (drop[sink]) wiring.ends[sink] = kNone;
        for (std::uint32_t n = wiring.ends[sink]; n != kNone && number[n] == kNone; n = wiring.tree[n].parent) {
            number[n] = 0;
        }
    }
    std::uint32_t kept = 0;
    for (std::uint32_t n = 0; n < wiring.tree.size(); ++n) {
        const Branch branch = wiring.tree[n];
        if (branch.parent != kNone && number[n] == kNone) {
            --state_[branch.node].usage;
            continue;
        }
        number[n] = kept;
        wiring.tree[kept] = {branch.node, branch.parent == kNone ? kNone : number[branch.parent], branch.pip};
        wiring.reach[kept++] = wiring.reach[n];
    }
    wiring.tree.resize(kept);
    wiring.reach.resize(kept);
    for (std::uint32_t& end : wiring.ends) {
        if (end != kNone) end = number[end];
    }
}

}  // namespace pnr
