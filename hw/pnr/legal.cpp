#include "legal.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace pnr {
namespace {

class Legalizer {
public:
    Legalizer(const Design& design, const Fabric& fabric, const Objects& objects, const std::vector<Wish>& wishes,
              Spots& spots, Placement& placement)
        : design_(design), fabric_(fabric), objects_(objects), wishes_(wishes), spots_(spots), placement_(placement) {}

    void run() {
        place_blocks(design_.rams, fabric_.rams(), objects_.rams, placement_.ram_place, "block RAMs");
        place_blocks(design_.dsps, fabric_.dsps(), objects_.dsps, placement_.dsp_place, "DSPs");
        place_macros();
        place_atoms();
    }

private:
    void place_blocks(const std::vector<std::vector<CellId>>& blocks, const std::vector<Place>& places, std::int32_t first,
                      std::vector<std::int32_t>& result, const char* what);
    void place_macros();
    bool macro_fits(const Macro& macro, std::int32_t slice) const;
    void place_atoms();
    std::int32_t spot_for(std::int32_t atom, std::int32_t slice) const;
    // Calls visit(slice) for slices of growing distance from a wish until it returns true.
    template <typename Visit>
    bool spiral(const Wish& wish, Visit visit) const;

    const Design& design_;
    const Fabric& fabric_;
    const Objects& objects_;
    const std::vector<Wish>& wishes_;
    Spots& spots_;
    Placement& placement_;
};

float distance(const Wish& wish, Point at) { return std::abs(wish.x - at.x) + std::abs(wish.y - at.y); }

void Legalizer::place_blocks(const std::vector<std::vector<CellId>>& blocks, const std::vector<Place>& places,
                             std::int32_t first, std::vector<std::int32_t>& result, const char* what) {
    std::vector<bool> used(places.size(), false);
    std::vector<std::int32_t> order(blocks.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return blocks[a].size() > blocks[b].size(); });
    result.assign(blocks.size(), -1);
    for (std::int32_t block : order) {
        float best = std::numeric_limits<float>::max();
        for (std::size_t n = 0; n < places.size(); ++n) {
            std::int32_t place = static_cast<std::int32_t>(n);
            for (std::size_t k = 0; k < blocks[block].size() && place >= 0; ++k)
                place = used[place] ? -1 : k + 1 < blocks[block].size() ? places[place].above : place;
            const float far = distance(wishes_[first + block], places[n].at);
            if (place >= 0 && far < best) best = far, result[block] = static_cast<std::int32_t>(n);
        }
        if (result[block] < 0)
            throw Error("the design has more " + std::string(what) + " than the device (" + std::to_string(places.size()) +
                        "); take a smaller size");
        for (std::int32_t k = 0, place = result[block]; k < static_cast<std::int32_t>(blocks[block].size()); ++k)
            used[place] = true, place = places[place].above;
    }
}

template <typename Visit>
bool Legalizer::spiral(const Wish& wish, Visit visit) const {
    const int columns = static_cast<int>(fabric_.columns().size()), rows = fabric_.rows();
    const int column = static_cast<int>(fabric_.column_near(static_cast<int>(std::lround(wish.x))));
    const int row = std::clamp(static_cast<int>(std::lround(wish.y)), 0, rows - 1);
    for (int radius = 0; radius < columns + rows; ++radius)
        for (int dx = -radius; dx <= radius; ++dx)
            for (int side = 0; side < 2; ++side) {
                const int dy = (radius - std::abs(dx)) * (side ? -1 : 1), x = column + dx, y = row + dy;
                if (x < 0 || x >= columns || y < 0 || y >= rows || (side && dy == 0)) continue;
                for (std::int32_t slice : fabric_.slices_at(static_cast<std::size_t>(x), y))
                    if (visit(slice)) return true;
            }
    return false;
}

bool Legalizer::macro_fits(const Macro& macro, std::int32_t slice) const {
    for (std::size_t part = 0; part < macro.slices.size(); ++part) {
        if (slice < 0 || spots_.content(slice).macro >= 0) return false;
        if (macro.needs_m && !fabric_.slices()[slice].memory) return false;
        slice = fabric_.slices()[slice].above;
    }
    return true;
}

void Legalizer::place_macros() {
    std::vector<std::int32_t> order(design_.macros.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
        return design_.macros[a].slices.size() > design_.macros[b].slices.size();
    });
    for (std::int32_t macro : order) {
        const bool found = spiral(wishes_[objects_.macros + macro], [&](std::int32_t slice) {
            if (!macro_fits(design_.macros[macro], slice)) return false;
            spots_.put_macro(macro, slice);
            return true;
        });
        if (!found)
            throw Error("no column of the device has room for a carry chain of " +
                        std::to_string(design_.macros[macro].slices.size()) + " slices; take a smaller size");
    }
}

std::int32_t Legalizer::spot_for(std::int32_t atom, std::int32_t slice) const {
    const int kinds = design_.atoms[atom].single_ff ? 2 : 1;
    for (int second = kinds - 1; second >= 0; --second)
        for (int letter = 0; letter < 4; ++letter) {
            const std::int32_t spot = 8 * slice + 2 * letter + second;
            // A flip-flop goes beside a LUT rather than take a letter of its own.
            if (second && spots_.atom_at(spot - 1) < 0 && spots_.content(slice).macro < 0) continue;
            if (spots_.atom_at(spot) < 0 && spots_.fits(atom, spot)) return spot;
        }
    return -1;
}

void Legalizer::place_atoms() {
    std::vector<std::int32_t> order(design_.atoms.size());
    std::iota(order.begin(), order.end(), 0);
    // What is hardest to place comes first: SLICEM, then flip-flops of small control sets, then LUTs without one.
    std::vector<int> controlled(design_.controls.size() + 1, 0);
    for (const Atom& atom : design_.atoms)
        if (atom.control >= 0) ++controlled[atom.control];
    const auto rank = [&](std::int32_t n) {
        const Atom& atom = design_.atoms[n];
        if (atom.needs_m) return 0;
        if (atom.single_ff) return 2000000 + controlled[atom.control];
        return atom.control < 0 ? 1000000 : controlled[atom.control];
    };
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return rank(a) < rank(b); });
    for (std::int32_t atom : order) {
        const bool found = spiral(wishes_[atom], [&](std::int32_t slice) {
            const std::int32_t spot = spot_for(atom, slice);
            if (spot >= 0) spots_.put(atom, spot);
            return spot >= 0;
        });
        if (!found) throw Error("the design does not fit the device's slices; take a smaller size");
    }
}

}  // namespace

void place_near(const Design& design, const Fabric& fabric, const Objects& objects, const std::vector<Wish>& wishes,
                Spots& spots, Placement& placement) {
    Legalizer(design, fabric, objects, wishes, spots, placement).run();
}

}  // namespace pnr
