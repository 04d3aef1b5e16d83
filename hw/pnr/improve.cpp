// After negotiation: shorter ways for the worst connections.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "change.h"

namespace pnr {
namespace {

constexpr float kWorst = 0.8f;            // connections of this criticality and above are looked at
constexpr std::size_t kCandidates = 3000;  // at most, in a pass
constexpr float kDisplace = 0.15f;        // ns that a way over another net's wire must save to be tried
constexpr float kWorthwhile = 0.002f;     // ns of slack that a pass must gain to count
constexpr int kStale = 3;                 // passes without a gain before it is left

}  // namespace

std::string pass_line(const char* what, int pass, double count, double slack) {
    char buffer[160];
    std::snprintf(buffer, sizeof buffer, "%s, pass %d: %.0f connections, slack %.3f ns", what, pass, count, slack);
    return buffer;
}

// Books a net's wires, or takes them out of the books.
void Router::set_usage(std::uint32_t net, bool used) {
    for (const Branch& branch : wirings_[net].tree) {
        if (branch.parent == kNone) continue;
        NodeState& state = state_[branch.node];
        if (used) {
            ++state.usage;
            user_[branch.node] = net;
        } else {
            --state.usage;
        }
    }
}

// The sum that rerouting lowers: delays, the critical ones far above the others.
float Router::badness(std::uint32_t net, const Route& route) const {
    float sum = 0;
    for (std::size_t sink = 0; sink < route.delays.size(); ++sink) {
        const float criticality = nets_[net].sinks[sink].criticality;
        sum += std::pow(criticality, 8.f) * route.delays[sink].slow_max;
    }
    return sum;
}

std::vector<Router::Candidate> Router::worst_sinks() const {
    std::vector<Candidate> result;
    for (const std::uint32_t net : order_) {
        for (std::uint32_t sink = 0; sink < nets_[net].sinks.size(); ++sink) {
            const float criticality = nets_[net].sinks[sink].criticality;
            if (criticality >= kWorst) result.push_back({net, sink, criticality});
        }
    }
    std::stable_sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a.weight > b.weight; });
    if (result.size() > kCandidates) result.resize(kCandidates);
    return result;
}

// Routes one sink again on the terms given, and strictly those of other nets that it displaces. Keeps what is better.
bool Router::reroute(const Candidate& candidate, const Terms& asked, Change& pass) {
    Change change(*this);
    if (reroute_sink(candidate, asked, change) && change.is_better()) {
        for (const std::uint32_t net : change.nets()) mark_user(net);
        pass.join(std::move(change));
        return true;
    }
    change.undo();
    return false;
}

bool Router::reroute_sink(const Candidate& candidate, const Terms& asked, Change& change) {
    const std::uint32_t net = candidate.net;
    change.remember(net);
    std::vector<bool> drop(nets_[net].sinks.size());
    drop[candidate.sink] = true;
    search_.prune(wirings_[net], drop);
    if (!route_open_sinks(net, &asked)) return false;
    update_delays(net);
    std::vector<std::uint32_t> displaced;
    for (const Branch& branch : wirings_[net].tree) {
        const std::uint32_t other = user_[branch.node];
        if (branch.parent == kNone || state_[branch.node].usage < 2 || other == net) continue;
        if (std::find(displaced.begin(), displaced.end(), other) == displaced.end()) displaced.push_back(other);
    }
    for (const std::uint32_t other : displaced) {
        if (!is_signal(other)) return false;
        change.remember(other);
        drop_contested(other);
        Terms strict;
        strict.strict = true;
        strict.criticality = 0.5f;
        if (!route_open_sinks(other, &strict)) return false;
        update_delays(other);
    }
    return true;
}

void Router::mark_user(std::uint32_t net) {
    for (const Branch& branch : wirings_[net].tree) {
        if (branch.parent != kNone) user_[branch.node] = net;
    }
}

// In turns the worst connections take free wires, or wires of nets that have others; a pass that does not raise the
// slack is undone. `from` and `to` are the progress before and after.
void Router::improve_timing(double from, double to) {
    for (std::uint32_t net = 0; net < nets_.size(); ++net) mark_user(net);
    float best = update_timing();
    int stale = 0;
    for (int pass = 1; pass <= options_.timing_passes && stale < kStale; ++pass) {
        Change change(*this);
        std::size_t changed = 0;
        const std::vector<Candidate> worst = worst_sinks();
        for (const Candidate& candidate : worst) {
            Terms asked;
            asked.criticality = sharpest_;
            asked.strict = pass % 2 == 1;
            asked.displace = kDisplace;
            changed += reroute(candidate, asked, change);
        }
        const float slack = update_timing();
        progress_(from + (to - from) * pass / options_.timing_passes,
                  pass_line("shorter ways", pass, static_cast<double>(changed), slack));
        stale = slack > best + kWorthwhile ? 0 : stale + 1;
        if (slack < best) {
            change.undo();
            update_timing();
        }
        best = std::max(best, slack);
    }
}

}  // namespace pnr
