#include "delay.h"

#include <unordered_map>

namespace pnr {
namespace {

constexpr float kFemto = 1e-6f;  // ohm times fF in ns

Delay operator+(const Delay& a, const Delay& b) {
    return {a.fast_min + b.fast_min, a.fast_max + b.fast_max, a.slow_min + b.slow_min, a.slow_max + b.slow_max};
}

Delay operator+(const Delay& a, float rc) {
    return {a.fast_min + rc, a.fast_max + rc, a.slow_min + rc, a.slow_max + rc};
}

// One node of the net: the switch or site that drives it, and the capacitance after it.
struct Stage {
    NodeId node;
    std::size_t parent;          // kRoot: driven by a site
    const PipClass* pip;
    float after = 0;             // fF that the wire's resistance charges, without half of the wire's own
    Delay arrival;
};
constexpr std::size_t kRoot = ~std::size_t{0};

class Tree {
public:
    Tree(const Device& device, const std::vector<RoutedPip>& pips) : device_(device) {
        stages_.reserve(pips.size() + 1);
        place_.reserve(pips.size() + 1);
        for (const RoutedPip& each : pips) {
            const std::size_t parent = find_or_add_root(each.from);
            place_.emplace(each.to, stages_.size());
            stages_.push_back({each.to, parent, &device.pip_class(each.pip), 0, {}});
        }
    }

    void add_pin(NodeId node) { stages_[find_or_add_root(node)].after += pin_capacitance(node); }

    void settle() {
        collect_capacitance();
        for (Stage& stage : stages_) stage.arrival = arrival(stage);
    }

    Delay at_pin(NodeId node) const {
        const Pin* pin = device_.input_pin(node);
        const Delay& arrival = stages_[place_.at(node)].arrival;
        return pin ? arrival + pin->delay : arrival;
    }

private:
    std::size_t find_or_add_root(NodeId node) {
        const auto [entry, added] = place_.emplace(node, stages_.size());
        if (added) stages_.push_back({node, kRoot, nullptr, 0, {}});
        return entry->second;
    }

    float pin_capacitance(NodeId node) const {
        const Pin* pin = device_.input_pin(node);
        return pin ? pin->capacitance : 0;
    }

    // What a driver of the stage's wire sees.
    float load(const Stage& stage) const { return device_.node_capacitance(stage.node) + stage.after; }

    // A buffer hides what it drives from what drives it, a pass transistor does not.
    void collect_capacitance() {
        for (std::size_t n = stages_.size(); n-- > 0;) {
            const Stage& stage = stages_[n];
            if (stage.parent == kRoot) continue;
            stages_[stage.parent].after += stage.pip->pass ? load(stage) : stage.pip->capacitance;
        }
    }

    Delay arrival(const Stage& stage) const {
        const float wire = device_.node_resistance(stage.node) *
                           (device_.node_capacitance(stage.node) / 2 + stage.after) * kFemto;
        if (stage.parent != kRoot) {
            return stages_[stage.parent].arrival + stage.pip->delay +
                   (stage.pip->resistance * load(stage) * kFemto + wire);
        }
        const Pin* pin = device_.output_pin(stage.node);
        return pin ? pin->delay + (pin->resistance * load(stage) * kFemto + wire) : Delay{} + wire;
    }

    const Device& device_;
    std::vector<Stage> stages_;  // parents before their children
    std::unordered_map<NodeId, std::size_t> place_;
};

}  // namespace

std::vector<Delay> net_delays(const Device& device, const std::vector<RoutedPip>& pips, const std::vector<NodeId>& pins) {
    Tree tree(device, pips);
    for (const NodeId pin : pins) tree.add_pin(pin);
    tree.settle();
    std::vector<Delay> result;
    result.reserve(pins.size());
    for (const NodeId pin : pins) result.push_back(tree.at_pin(pin));
    return result;
}

}  // namespace pnr
