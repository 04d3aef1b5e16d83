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

class Calculation {
public:
    Calculation(const Device& device, const std::vector<Branch>& tree) : device_(device), tree_(tree) {}

    std::vector<Delay> at(const std::vector<std::uint32_t>& ends) {
        after_.assign(tree_.size(), 0);
        for (const std::uint32_t end : ends) {
            if (const Pin* pin = device_.input_pin(tree_[end].node)) after_[end] += pin->capacitance;
        }
        collect_capacitance();
        arrival_.resize(tree_.size());
        for (std::size_t n = 0; n < tree_.size(); ++n) arrival_[n] = arrival(n);
        std::vector<Delay> result;
        result.reserve(ends.size());
        for (const std::uint32_t end : ends) {
            const Pin* pin = device_.input_pin(tree_[end].node);
            result.push_back(pin ? arrival_[end] + pin->delay : arrival_[end]);
        }
        return result;
    }

private:
    // What the driver of a branch's wire sees.
    float load(std::size_t n) const { return device_.node_capacitance(tree_[n].node) + after_[n]; }

    // A buffer hides what it drives from what drives it, a pass transistor does not.
    void collect_capacitance() {
        for (std::size_t n = tree_.size(); n-- > 0;) {
            if (tree_[n].parent == kNone) continue;
            const PipClass& pip = device_.pip_class(tree_[n].pip);
            after_[tree_[n].parent] += pip.pass ? load(n) : pip.capacitance;
        }
    }

    Delay arrival(std::size_t n) const {
        const NodeId node = tree_[n].node;
        // Half of a wire's capacitance lies before its resistance.
        const float wire = device_.node_resistance(node) * (device_.node_capacitance(node) / 2 + after_[n]) * kFemto;
        if (tree_[n].parent != kNone) {
            const PipClass& pip = device_.pip_class(tree_[n].pip);
            return arrival_[tree_[n].parent] + pip.delay + (pip.resistance * load(n) * kFemto + wire);
        }
        const Pin* pin = device_.output_pin(node);
        return pin ? pin->delay + (pin->resistance * load(n) * kFemto + wire) : Delay{} + wire;
    }

    const Device& device_;
    const std::vector<Branch>& tree_;
    std::vector<float> after_;  // fF that a branch's wire resistance charges, without half of the wire's own
    std::vector<Delay> arrival_;
};

}  // namespace

std::vector<Delay> tree_delays(const Device& device, const std::vector<Branch>& tree,
                               const std::vector<std::uint32_t>& ends) {
    return Calculation(device, tree).at(ends);
}

std::vector<Delay> net_delays(const Device& device, const std::vector<RoutedPip>& pips,
                              const std::vector<NodeId>& pins) {
    std::vector<Branch> tree;
    std::unordered_map<NodeId, std::uint32_t> place;
    const auto find = [&](NodeId node) {
        const auto [entry, added] = place.emplace(node, static_cast<std::uint32_t>(tree.size()));
        if (added) tree.push_back({node, kNone, {}});
        return entry->second;
    };
    for (const RoutedPip& each : pips) {
        const std::uint32_t parent = find(each.from), here = find(each.to);
        tree[here].parent = parent;
        tree[here].pip = each.pip;
    }
    std::vector<std::uint32_t> ends;
    ends.reserve(pins.size());
    for (const NodeId pin : pins) ends.push_back(find(pin));
    return tree_delays(device, tree, ends);
}

}  // namespace pnr
