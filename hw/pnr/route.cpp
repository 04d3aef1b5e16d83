#include "route.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "router.h"

namespace pnr {
namespace {

// Of the negotiation. Prices of contested wires double in a few rounds at first; history then decides slowly.
constexpr float kFirstPressure = 0.5f, kPressureGrowth = 1.5f, kLastPressure = 60.f;
constexpr float kHistory = 0.1f;       // ns that each round adds to the price of a contested wire
constexpr int kFirstMargin = 3;        // columns and rows around a net's pins that its wires may use
constexpr float kSharpest = 0.97f;     // even the most critical connection minds congestion a little
constexpr std::size_t kNamed = 5;      // names in a message

std::string text(const char* format, double a, double b = 0, double c = 0, double d = 0) {
    char buffer[200];
    std::snprintf(buffer, sizeof buffer, format, a, b, c, d);
    return buffer;
}

}  // namespace

Router::Router(const Device& device, std::vector<Net>& nets, const Options& options, const Progress& progress,
               const TimingHook& timing)
    : device_(device), nets_(nets), options_(options), progress_(progress), timing_(timing), state_(device),
      lookahead_(state_), search_(state_, lookahead_), wirings_(nets.size()), routes_(nets.size()), boxes_(nets.size()),
      user_(device.nodes(), kNone) {
    check_and_reserve();
    order_nets();
}

// Only pins without an alternative are reserved: exchangeable ones are settled by negotiation.
void Router::check_and_reserve() {
    for (std::uint32_t net = 0; net < nets_.size(); ++net) {
        wirings_[net].ends.assign(nets_[net].sinks.size(), kNone);
        routes_[net].pins.assign(nets_[net].sinks.size(), kNone);
        routes_[net].delays.resize(nets_[net].sinks.size());
        const bool constant = nets_[net].kind == Kind::ground || nets_[net].kind == Kind::supply;
        if (!constant && nets_[net].sources.empty() && !nets_[net].sinks.empty()) {
            throw Error("net " + nets_[net].name + " has sinks and no source");
        }
        for (const Sink& sink : nets_[net].sinks) {
            if (sink.pins.empty()) throw Error("net " + nets_[net].name + " has a sink without a pin");
            for (const NodeId pin : sink.pins) {
                if (pin >= device_.nodes()) throw Error("net " + nets_[net].name + " has a pin that is no node");
                search_.add_pin(pin);
            }
            if (sink.pins.size() == 1) state_.reserve(sink.pins.front(), net);
        }
    }
}

// Nets that are spread widest come first: the others find their way around them more easily than the reverse.
void Router::order_nets() {
    for (std::uint32_t net = 0; net < nets_.size(); ++net) {
        Terms& box = boxes_[net];
        box.x0 = box.y0 = 255, box.x1 = box.y1 = 0;
        const auto include = [&](const NodeState& state) {
            box.x0 = std::min<int>(box.x0, state.x), box.x1 = std::max<int>(box.x1, state.x);
            box.y0 = std::min<int>(box.y0, state.y), box.y1 = std::max<int>(box.y1, state.y);
        };
        for (const NodeId source : nets_[net].sources) include(state_[source]);
        for (const Sink& sink : nets_[net].sinks) include(search_.entry(sink.pins.front()));
        if (is_signal(net) && !nets_[net].sinks.empty()) order_.push_back(net);
    }
    const auto span = [&](std::uint32_t net) {
        return boxes_[net].x1 - boxes_[net].x0 + boxes_[net].y1 - boxes_[net].y0;
    };
    std::stable_sort(order_.begin(), order_.end(), [&](auto a, auto b) { return span(a) > span(b); });
}

std::vector<NodeId> Router::tie_offs(Kind kind) const {
    std::vector<NodeId> nodes;
    const char* name = kind == Kind::ground ? "HARD0" : "HARD1";
    for (SiteId site = 0; site < device_.sites(); ++site) {
        if (device_.site_type(site) != "TIEOFF") continue;
        const NodeId node = device_.pin_node(site, name);
        if (node != kNone) nodes.push_back(node);
    }
    std::sort(nodes.begin(), nodes.end());
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    return nodes;
}

void Router::route_fixed() {
    std::size_t sinks = 0;
    for (const Kind kind : {Kind::ground, Kind::supply, Kind::clock}) {
        for (std::uint32_t net = 0; net < nets_.size(); ++net) {
            if (nets_[net].kind != kind || nets_[net].sinks.empty()) continue;
            search_.open(net, wirings_[net], nets_[net].sources.empty() ? tie_offs(kind) : nets_[net].sources);
            for (std::uint32_t sink = 0; sink < nets_[net].sinks.size(); ++sink, ++sinks) {
                if (!search_.connect_backwards(sink, nets_[net].sinks[sink].pins, kind == Kind::clock)) {
                    fail_unreachable(net, sink);
                }
            }
            search_.close();
            update_delays(net);
        }
    }
    progress_(0.02, text("constants and clocks: %.0f pins", static_cast<double>(sinks)));
}

Terms Router::terms(std::uint32_t net, const Sink& sink) const {
    Terms result = boxes_[net];
    result.x0 -= margin_, result.y0 -= margin_, result.x1 += margin_, result.y1 += margin_;
    const float criticality = std::clamp(sink.criticality, 0.f, 1.f);
    result.criticality = sharpest_ * criticality * criticality * criticality;
    result.pressure = pressure_;
    return result;
}

// Routes the sinks that are open, the most critical first. False: one cannot be reached on the terms given.
bool Router::route_open_sinks(std::uint32_t net, const Terms* given) {
    const std::vector<Sink>& sinks = nets_[net].sinks;
    std::vector<std::uint32_t> open;
    for (std::uint32_t n = 0; n < sinks.size(); ++n) {
        if (wirings_[net].ends[n] == kNone) open.push_back(n);
    }
    std::stable_sort(open.begin(), open.end(),
                     [&](auto a, auto b) { return sinks[a].criticality > sinks[b].criticality; });
    search_.open(net, wirings_[net], nets_[net].sources);
    for (const std::uint32_t sink : open) {
        Terms asked = given ? *given : terms(net, sinks[sink]);
        if (search_.connect(sink, sinks[sink].pins, asked)) continue;
        asked.x0 = asked.y0 = 0, asked.x1 = asked.y1 = 255;
        if (search_.connect(sink, sinks[sink].pins, asked)) continue;
        search_.close();
        if (!asked.strict) fail_unreachable(net, sink);
        return false;
    }
    search_.close();
    return true;
}

// Opens the sinks whose way leads over a wire that another net has too. Returns how many.
std::size_t Router::drop_contested(std::uint32_t net) {
    Wiring& wiring = wirings_[net];
    std::vector<bool> contested(wiring.tree.size()), drop(wiring.ends.size());
    bool any = false;
    for (std::size_t n = 0; n < wiring.tree.size(); ++n) {
        const Branch& branch = wiring.tree[n];
        if (branch.parent == kNone) continue;
        contested[n] = contested[branch.parent] || state_[branch.node].usage > 1;
        any = any || contested[n];
    }
    if (!any) return 0;
    for (std::size_t sink = 0; sink < drop.size(); ++sink) drop[sink] = contested[wiring.ends[sink]];
    search_.prune(wiring, drop);
    return static_cast<std::size_t>(std::count(drop.begin(), drop.end(), true));
}

// Makes contested wires dearer. Returns how many there are.
std::size_t Router::raise_history() {
    const std::uint32_t round = state_.new_search();
    std::size_t count = 0;
    for (const std::uint32_t net : order_) {
        for (const Branch& branch : wirings_[net].tree) {
            NodeState& state = state_[branch.node];
            if (state.usage < 2 || state.search == round || branch.parent == kNone) continue;
            state.search = round;
            state.history += kHistory * static_cast<float>(state.usage - 1);
            ++count;
        }
    }
    return count;
}

void Router::update_delays(std::uint32_t net) {
    const Wiring& wiring = wirings_[net];
    routes_[net].delays = tree_delays(device_, wiring.tree, wiring.ends);
    for (std::size_t sink = 0; sink < wiring.ends.size(); ++sink) {
        routes_[net].pins[sink] = wiring.tree[wiring.ends[sink]].node;
    }
}

float Router::update_timing() { return timing_ ? timing_(nets_, routes_) : 0.f; }

void Router::negotiate() {
    pressure_ = kFirstPressure;
    margin_ = kFirstMargin;
    sharpest_ = kSharpest;
    std::size_t first = 0;
    for (int round = 1; round <= options_.rounds; ++round) {
        std::size_t sinks = 0;
        for (const std::uint32_t net : order_) {
            sinks += round == 1 ? nets_[net].sinks.size() : drop_contested(net);
            const std::vector<std::uint32_t>& ends = wirings_[net].ends;
            if (std::find(ends.begin(), ends.end(), kNone) == ends.end()) continue;
            route_open_sinks(net);
            update_delays(net);
        }
        const std::size_t contested = raise_history();
        if (round == 1) first = contested + 1;
        const float slack = update_timing();
        // Rounds get rarer wires; the logarithm of their number falls about evenly.
        const double done = 1 - std::log(static_cast<double>(contested) + 1) / std::log(static_cast<double>(first) + 1);
        progress_(0.05 + 0.8 * std::max(0.0, done),
                  text("round %.0f: %.0f connections routed, %.0f wires contested", round, static_cast<double>(sinks),
                       static_cast<double>(contested)) +
                      (timing_ ? text(", slack %.3f ns", slack) : ""));
        if (contested == 0) return;
        pressure_ = std::min(pressure_ * kPressureGrowth, kLastPressure);
        margin_ += 1;
    }
    fail_contested();
}

void Router::fail_contested() const {
    std::string names;
    std::size_t count = 0;
    std::vector<NodeId> seen;
    for (const std::uint32_t net : order_) {
        for (const Branch& branch : wirings_[net].tree) {
            const bool known = std::find(seen.begin(), seen.end(), branch.node) != seen.end();
            if (branch.parent == kNone || state_[branch.node].usage < 2 || known) continue;
            seen.push_back(branch.node);
            if (count++ < kNamed) names += (names.empty() ? "" : ", ") + device_.node_name(branch.node);
        }
    }
    throw Error("after " + std::to_string(options_.rounds) + " rounds " + std::to_string(count) +
                " wires are still wanted by more than one net (" + names +
                "); the design is too dense there: place it with another seed, or build fewer lanes");
}

void Router::fail_unreachable(std::uint32_t net, std::size_t sink) const {
    throw Error("net " + nets_[net].name + " cannot reach " + device_.node_name(nets_[net].sinks[sink].pins.front()) +
                ": no free way leads there");
}

const std::vector<Route>& Router::result() {
    for (std::uint32_t net = 0; net < nets_.size(); ++net) {
        const std::vector<Branch>& tree = wirings_[net].tree;
        routes_[net].pips.clear();
        for (const Branch& branch : tree) {
            if (branch.parent == kNone) continue;
            routes_[net].pips.push_back({tree[branch.parent].node, branch.node, branch.pip});
        }
    }
    return routes_;
}

// Detours for hold may take time from other connections.
void Router::lengthen_all() {
    const float before = update_timing();
    if (lengthen() && timing_ && update_timing() < before) improve_timing(0.97, 1);
}

void Router::run() {
    route_fixed();
    negotiate();
    if (timing_) improve_timing(0.85, 0.95);
    lengthen_all();
    update_timing();
}

std::vector<Route> route(const Device& device, std::vector<Net>& nets, const Options& options, const Progress& progress,
                         const TimingHook& timing) {
    Router router(device, nets, options, progress, timing);
    router.run();
    return router.result();
}

}  // namespace pnr
