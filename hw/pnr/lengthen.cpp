// After negotiation: longer ways where hold needs them.
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "change.h"

namespace pnr {
namespace {

constexpr int kPasses = 3;
constexpr int kDetours = 60;     // ways round tried for one connection
constexpr std::size_t kVisits = 3000;  // nodes looked at for one of them: where few are free, most ways lead nowhere
constexpr float kWorthwhile = 0.01f;   // ns by which a way that is still too short must be longer
constexpr int kDetourReach = 5;  // columns and rows around the sink where they may pass
constexpr float kSlowOverFast = 2.5f;

}  // namespace

// Detours for connections that are faster than hold allows.
bool Router::lengthen() {
    for (int pass = 1; pass <= kPasses; ++pass) {
        update_timing();
        const std::vector<Candidate> candidates = short_sinks();
        if (candidates.empty()) return pass > 1;
        if (pass == 1) index_free_nodes();
        std::size_t mended = 0;
        for (const Candidate& each : candidates) mended += lengthen_sink(each.net, each.sink);
        progress_(0.95 + 0.02 * pass / kPasses, std::to_string(candidates.size()) +
                                                    " connections too short for hold, " + std::to_string(mended) +
                                                    " lengthened");
        if (mended == 0) break;
    }
    return true;
}

std::size_t Router::require(const std::vector<Demand>& demands) {
    std::unordered_map<NodeId, float> missing;
    for (const Demand& demand : demands) {
        float& most = missing[demand.pin];
        most = std::max(most, demand.missing);
    }
    std::size_t count = 0;
    for (const std::uint32_t net : order_) {
        for (std::size_t sink = 0; sink < nets_[net].sinks.size(); ++sink) {
            const auto found = missing.find(routes_[net].pins[sink]);
            if (found == missing.end()) continue;
            float& required = nets_[net].sinks[sink].required_min;
            required = std::max(required, routes_[net].delays[sink].fast_min + found->second);
            ++count;
        }
    }
    return count;
}

std::vector<Router::Candidate> Router::short_sinks() const {
    std::vector<Candidate> result;
    for (const std::uint32_t net : order_) {
        for (std::uint32_t sink = 0; sink < nets_[net].sinks.size(); ++sink) {
            if (too_short(net, sink, routes_[net])) result.push_back({net, sink, 0});
        }
    }
    return result;
}

void Router::index_free_nodes() {
    places_.clear();
    for (NodeId node = 0; node < device_.nodes(); ++node) {
        const NodeState& state = state_[node];
        if (state.usage || state.owner != kNone || state.flags & (kTerminal | kClosed) || !state.type) continue;
        places_.emplace_back(state.y * 256u + state.x, node);
    }
    std::sort(places_.begin(), places_.end());
}

bool Router::too_short(std::uint32_t net, std::uint32_t sink, const Route& route) const {
    const float required = nets_[net].sinks[sink].required_min;
    return required > 0 && route.delays[sink].fast_min < required + options_.hold_margin;
}

std::size_t Router::short_count(std::uint32_t net, const Route& route) const {
    std::size_t count = 0;
    for (std::uint32_t sink = 0; sink < route.delays.size(); ++sink) count += too_short(net, sink, route);
    return count;
}

// Tries each of the pins that would do, then ways over free wires near the sink. Of what is long enough the one with the
// least slow delay is kept, else the longest. Returns whether the sink is long enough now.
bool Router::lengthen_sink(std::uint32_t net, std::uint32_t sink) {
    const std::vector<NodeId> pins = nets_[net].sinks[sink].pins;
    std::vector<std::pair<NodeId, NodeId>> tries;  // a node to pass (kNone: none), a pin
    for (const NodeId pin : pins) tries.emplace_back(kNone, pin);
    for (const NodeId via : detours(net, sink)) tries.emplace_back(via, routes_[net].pins[sink]);
    float least = 1e9f, longest = routes_[net].delays[sink].fast_min + kWorthwhile;
    bool found = false, enough = false;
    Wiring chosen;
    for (const auto& [via, pin] : tries) {
        Change change(*this);
        change.remember(net);
        if (route_over(net, sink, via, pin)) {
            const Delay& delay = routes_[net].delays[sink];
            const bool is_enough = !too_short(net, sink, routes_[net]);
            if (is_enough ? delay.slow_max < least : !enough && delay.fast_min > longest) {
                chosen = wirings_[net];
                found = true;
                (is_enough ? least : longest) = is_enough ? delay.slow_max : delay.fast_min;
                enough = enough || is_enough;
            }
        }
        change.undo();
    }
    if (!found) return false;
    set_usage(net, false);
    wirings_[net] = std::move(chosen);
    set_usage(net, true);
    update_delays(net);
    return enough;
}

bool Router::route_over(std::uint32_t net, std::uint32_t sink, NodeId via, NodeId pin) {
    std::vector<bool> drop(nets_[net].sinks.size());
    drop[sink] = true;
    search_.prune(wirings_[net], drop);
    Terms strict;
    strict.strict = true;
    strict.criticality = 0.5f;
    strict.visits = kVisits;
    search_.open(net, wirings_[net], nets_[net].sources);
    const bool found = via == kNone ? search_.connect(sink, {pin}, strict)
                                    : search_.connect_over(sink, via, pin, strict);
    search_.close();
    if (found) update_delays(net);
    return found;
}

// Free wires around the sink, those first that make the way longer by about what is missing.
std::vector<NodeId> Router::detours(std::uint32_t net, std::uint32_t sink) const {
    const NodeState& end = search_.entry(routes_[net].pins[sink]);
    const float missing =
        nets_[net].sinks[sink].required_min + options_.hold_margin - routes_[net].delays[sink].fast_min;
    std::vector<std::pair<float, NodeId>> found;
    for (int y = end.y - kDetourReach; y <= end.y + kDetourReach; ++y) {
        for (int x = end.x - kDetourReach; x <= end.x + kDetourReach; ++x) {
            if (x < 0 || y < 0) continue;
            const auto place = static_cast<std::uint32_t>(y * 256 + x);
            auto entry = std::lower_bound(places_.begin(), places_.end(), std::make_pair(place, NodeId{0}));
            for (; entry != places_.end() && entry->first == place; ++entry) {
                const NodeState& state = state_[entry->second];
                if (state.usage) continue;
                const float there_and_back = 2 * lookahead_(state, end.x, end.y);
                found.emplace_back(std::abs(there_and_back - kSlowOverFast * missing), entry->second);
            }
        }
    }
    const std::size_t kept = std::min<std::size_t>(found.size(), kDetours);
    std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(kept), found.end());
    std::vector<NodeId> result;
    for (std::size_t n = 0; n < kept; ++n) result.push_back(found[n].second);
    return result;
}

}  // namespace pnr
