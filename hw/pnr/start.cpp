#include "start.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "spread.h"

namespace pnr {
namespace {

constexpr int kRounds = 24, kSolverSteps = 60;
// How strongly objects are held at their spread places, more with each round.
constexpr float kHold = 0.012f;
// A flip-flop that may share a letter takes a part of one.
constexpr float kSingleFfArea = 0.3f;

// One axis of the problem: least sum of w (a - b)^2 over connections, by conjugate gradients.
class Axis {
public:
    explicit Axis(std::size_t size) : diagonal_(size, 0), right_(size, 0) {}

    // Two objects with their pins' offsets; of a fixed one only its place matters.
    void connect(std::int32_t a, float offset_a, std::int32_t b, float offset_b, float weight) {
        pairs_.push_back({a, b, weight});
        diagonal_[a] += weight, diagonal_[b] += weight;
        right_[a] += weight * (offset_b - offset_a), right_[b] += weight * (offset_a - offset_b);
    }
    void hold(std::int32_t a, float at, float weight) {
        diagonal_[a] += weight;
        right_[a] += weight * at;
    }
    void solve(std::vector<float>& x) const;

private:
    struct Pair {
        std::int32_t a, b;
        float weight;
    };
    void multiply(const std::vector<float>& x, std::vector<float>& result) const {
        for (std::size_t n = 0; n < x.size(); ++n) result[n] = diagonal_[n] * x[n];
        for (const Pair& pair : pairs_) {
            result[pair.a] -= pair.weight * x[pair.b];
            result[pair.b] -= pair.weight * x[pair.a];
        }
    }
    std::vector<Pair> pairs_;
    std::vector<float> diagonal_, right_;
};

void Axis::solve(std::vector<float>& x) const {
    const std::size_t size = x.size();
    std::vector<float> residue(size), direction(size), product(size);
    multiply(x, product);
    double energy = 0;
    for (std::size_t n = 0; n < size; ++n) {
        residue[n] = right_[n] - product[n];
        direction[n] = residue[n] / std::max(diagonal_[n], 1e-6f);
        energy += static_cast<double>(residue[n]) * direction[n];
    }
    for (int step = 0; step < kSolverSteps && energy > 1e-7; ++step) {
        multiply(direction, product);
        double curve = 0;
        for (std::size_t n = 0; n < size; ++n) curve += static_cast<double>(direction[n]) * product[n];
        if (curve <= 0) break;
        const float along = static_cast<float>(energy / curve);
        double next = 0;
        for (std::size_t n = 0; n < size; ++n) {
            x[n] += along * direction[n];
            residue[n] -= along * product[n];
            next += static_cast<double>(residue[n]) * residue[n] / std::max(diagonal_[n], 1e-6f);
        }
        const float keep = static_cast<float>(next / energy);
        for (std::size_t n = 0; n < size; ++n)
            direction[n] = residue[n] / std::max(diagonal_[n], 1e-6f) + keep * direction[n];
        energy = next;
    }
}

class Start {
public:
    Start(const Design& design, const Fabric& fabric, Cost& cost)
        : design_(design), fabric_(fabric), cost_(cost), objects_(cost.objects()), spreader_(fabric, areas()) {}

    std::vector<Wish> run(const PlaceProgress& progress) {
        at_.assign(objects_.count, {static_cast<float>(fabric_.columns().back()) / 2, static_cast<float>(fabric_.rows()) / 2});
        at_[objects_.fixed] = {0, 0};
        std::vector<Wish> spread = at_;
        for (int round = 0; round < kRounds; ++round) {
            solve(round, spread);
            spread = at_;
            spreader_.spread(spread);
            place_blocks(fabric_.rams(), objects_.rams, objects_.dsps, spread);
            place_blocks(fabric_.dsps(), objects_.dsps, objects_.fixed, spread);
            char line[80];
            std::snprintf(line, sizeof line, "quadratic placement: wires %.0f, spread %.0f", length(at_), length(spread));
            progress(0, line);
        }
        return spread;
    }

private:
    std::vector<float> areas() const;
    void solve(int round, const std::vector<Wish>& held);
    void connect(std::int32_t net, bool upright, Axis& axis) const;
    void place_blocks(const std::vector<Place>& places, std::int32_t first, std::int32_t end, std::vector<Wish>& at) const;
    double length(const std::vector<Wish>& at) const;
    float pin(const std::vector<Wish>& at, const Cost::NetPin& pin, bool upright) const {
        return upright ? at[pin.object].y + pin.offset.y : at[pin.object].x + pin.offset.x;
    }

    const Design& design_;
    const Fabric& fabric_;
    const Cost& cost_;
    const Objects& objects_;
    std::vector<Wish> at_;
    Spreader spreader_;
};

std::vector<float> Start::areas() const {
    std::vector<float> area(objects_.count, 0);
    for (std::size_t n = 0; n < design_.atoms.size(); ++n) area[n] = design_.atoms[n].single_ff ? kSingleFfArea : 1;
    for (std::size_t n = 0; n < design_.macros.size(); ++n)
        area[objects_.macros + n] = 4 * static_cast<float>(design_.macros[n].slices.size());
    return area;
}

// Bound to bound (Spindler, Schlichtmann, Johannes 2008): every pin to the two outermost, weighed so that the quadratic
// length equals the linear one.
void Start::connect(std::int32_t net, bool upright, Axis& axis) const {
    const Span<Cost::NetPin> pins = cost_.pins(net);
    std::size_t low = 0, high = 0;
    for (std::size_t n = 1; n < pins.size(); ++n) {
        if (pin(at_, pins[n], upright) < pin(at_, pins[low], upright)) low = n;
        if (pin(at_, pins[n], upright) >= pin(at_, pins[high], upright)) high = n;
    }
    const auto join = [&](std::size_t a, std::size_t b) {
        if (pins[a].object == pins[b].object) return;
        const float apart = std::abs(pin(at_, pins[a], upright) - pin(at_, pins[b], upright));
        const float weight = 1 / (static_cast<float>(pins.size() - 1) * std::max(apart, 1.f));
        const auto offset = [&](std::size_t n) { return static_cast<float>(upright ? pins[n].offset.y : pins[n].offset.x); };
        axis.connect(pins[a].object, offset(a), pins[b].object, offset(b), weight);
    };
    for (std::size_t n = 0; n < pins.size(); ++n) {
        if (n != low) join(n, low);
        if (n != low && n != high) join(n, high);
    }
}

void Start::solve(int round, const std::vector<Wish>& held) {
    for (const bool upright : {false, true}) {
        Axis axis(at_.size());
        for (std::int32_t net = 0; net < cost_.nets(); ++net) connect(net, upright, axis);
        axis.hold(objects_.fixed, 0, 1e6f);
        for (std::int32_t n = 0; n < objects_.fixed; ++n) {
            const float to = upright ? held[n].y : held[n].x, from = upright ? at_[n].y : at_[n].x;
            axis.hold(n, to, round == 0 ? 1e-4f : kHold * static_cast<float>(round) / std::max(1.f, std::abs(to - from)));
        }
        std::vector<float> x(at_.size());
        for (std::size_t n = 0; n < x.size(); ++n) x[n] = upright ? at_[n].y : at_[n].x;
        axis.solve(x);
        const float most = static_cast<float>(upright ? fabric_.rows() - 1 : fabric_.columns().back());
        for (std::int32_t n = 0; n < objects_.fixed; ++n) (upright ? at_[n].y : at_[n].x) = std::clamp(x[n], 0.f, most);
    }
}

// Blocks at their nearest places, each place once.
void Start::place_blocks(const std::vector<Place>& places, std::int32_t first, std::int32_t end, std::vector<Wish>& at) const {
    std::vector<bool> used(places.size(), false);
    for (std::int32_t n = first; n < end; ++n) {
        std::size_t best = places.size();
        float least = 1e9f;
        for (std::size_t k = 0; k < places.size(); ++k) {
            const float far = std::abs(at[n].x - places[k].at.x) + std::abs(at[n].y - places[k].at.y);
            if (!used[k] && far < least) least = far, best = k;
        }
        if (best == places.size()) return;  // too many: the legal placement says so
        used[best] = true;
        at[n] = {static_cast<float>(places[best].at.x), static_cast<float>(places[best].at.y)};
    }
}

double Start::length(const std::vector<Wish>& at) const {
    double sum = 0;
    for (std::int32_t net = 0; net < cost_.nets(); ++net)
        for (const bool upright : {false, true}) {
            float low = 1e9f, high = -1e9f;
            for (const Cost::NetPin& one : cost_.pins(net))
                low = std::min(low, pin(at, one, upright)), high = std::max(high, pin(at, one, upright));
            sum += high - low;
        }
    return sum;
}

}  // namespace

std::vector<Wish> quadratic_start(const Design& design, const Fabric& fabric, Cost& cost, const PlaceProgress& progress) {
    return Start(design, fabric, cost).run(progress);
}

}  // namespace pnr
