#include "place.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "cost.h"
#include "legal.h"
#include "random.h"
#include "spots.h"
#include "start.h"

namespace pnr {
namespace {

// Of the moves these are of whole slices, and of chains and blocks.
constexpr double kSliceMoves = 0.08, kBlockMoves = 0.04;
// Of the moves of atoms, these go to where something is that the atom is connected to.
constexpr double kDirected = 0.4;
// A delay's weight is its criticality to this power.
constexpr float kSharpness = 6;
// Temperatures, as how much longer a net may become, and distance windows, in tiles. The start is good already, so
// annealing begins cool enough not to lose it.
constexpr int kRounds = 30;
constexpr int kTurns = 8;  // criticalities are taken again so often in a round
constexpr double kMovesEach = 40;  // in a round, for each object
constexpr double kWarmest = 1.2, kColdest = 0.02, kWidest = 14, kNarrowest = 2;

class Annealer {
public:
    Annealer(const Design& design, const Fabric& fabric, const DelayTable& delays, Timing& timing,
             const PlaceOptions& options, const PlaceProgress& progress)
        : design_(design), fabric_(fabric), options_(options), progress_(progress), timing_(timing),
          cost_(design, fabric, delays, timing), spots_(design, fabric), random_(options.seed) {}

    Placement run() {
        begin();
        const double moves = options_.effort * kMovesEach * cost_.objects().count;
        for (int round = 0; round < kRounds; ++round) {
            const double part = static_cast<double>(round) / (kRounds - 1);
            window_ = kWidest * std::pow(kNarrowest / kWidest, part);
            double rate = 0;
            for (int turn = 0; turn < kTurns; ++turn) {
                cost_.restart(kSharpness);
                // One unit is what a net of one step more costs.
                const double unit = 0.5 / cost_.wires();
                rate += anneal(static_cast<std::size_t>(moves / kTurns),
                               unit * kWarmest * std::pow(kColdest / kWarmest, part)) / kTurns;
            }
            report((round + 1.0) / kRounds, rate);
        }
        cost_.restart(kSharpness);
        return result();
    }

private:
    void begin();
    double anneal(std::size_t moves, double temperature);
    void report(double done, double rate);
    Placement result();

    bool try_move(double temperature);
    bool move_atom(double temperature);
    bool move_slice(double temperature);
    bool move_block(double temperature);
    bool move_macro(std::int32_t macro, double temperature);
    bool move_hard(std::vector<std::int32_t>& at, const std::vector<std::vector<CellId>>& blocks,
                   const std::vector<Place>& places, std::int32_t first, std::int32_t block, double temperature);
    bool permute(const std::vector<std::int32_t>& from, const std::vector<std::int32_t>& to, double temperature);
    bool decide(double temperature) {
        const double change = cost_.change(shifts_);
        if (change <= 0 || random_.unit() < std::exp(-change / temperature)) {
            cost_.keep();
            return true;
        }
        cost_.undo();
        return false;
    }
    std::int32_t slice_near(Point at, int reach);
    Point neighbour(std::int32_t atom);
    int reach() const { return std::max(1, static_cast<int>(window_)); }
    void shift(std::int32_t object, Point to) {
        if (!(cost_.at(object) == to)) shifts_.push_back({object, cost_.at(object), to});
    }
    Point place_of(std::int32_t slice) const { return fabric_.slices()[slice].at; }

    const Design& design_;
    const Fabric& fabric_;
    const PlaceOptions& options_;
    const PlaceProgress& progress_;
    Timing& timing_;
    Cost cost_;
    Spots spots_;
    Random random_;
    Placement placement_;
    std::vector<Shift> shifts_;
    std::vector<std::int32_t> from_, to_;
    double window_ = 0;
};

void Annealer::begin() {
    const Objects& objects = cost_.objects();
    const std::vector<Wish> wishes = quadratic_start(design_, fabric_, cost_, progress_);
    place_near(design_, fabric_, objects, wishes, spots_, placement_);
    for (std::int32_t atom = 0; atom < objects.macros; ++atom) cost_.set(atom, place_of(spots_.spot(atom) >> 3));
    for (std::int32_t n = objects.macros; n < objects.rams; ++n)
        cost_.set(n, place_of(spots_.macro_slice(n - objects.macros)));
    for (std::int32_t n = objects.rams; n < objects.dsps; ++n)
        cost_.set(n, fabric_.rams()[placement_.ram_place[n - objects.rams]].at);
    for (std::int32_t n = objects.dsps; n < objects.fixed; ++n)
        cost_.set(n, fabric_.dsps()[placement_.dsp_place[n - objects.dsps]].at);
    cost_.restart(kSharpness);
    report(0, 1);
}

double Annealer::anneal(std::size_t moves, double temperature) {
    std::size_t accepted = 0;
    for (std::size_t n = 0; n < moves; ++n) accepted += try_move(temperature);
    return static_cast<double>(accepted) / static_cast<double>(moves);
}

bool Annealer::try_move(double temperature) {
    const double kind = random_.unit();
    if (kind < kBlockMoves || design_.atoms.empty()) return move_block(temperature);
    if (kind < kBlockMoves + kSliceMoves) return move_slice(temperature);
    return move_atom(temperature);
}

// A slice within reach of a place; -1 where there is none.
std::int32_t Annealer::slice_near(Point at, int reach) {
    const int columns = static_cast<int>(fabric_.columns().size());
    const int middle = static_cast<int>(fabric_.column_near(at.x)), across = std::max(1, reach / 2);
    const int column = random_.between(std::max(0, middle - across), std::min(columns - 1, middle + across));
    const int row = random_.between(std::max(0, at.y - reach), std::min(fabric_.rows() - 1, at.y + reach));
    const Span<std::int32_t> slices = fabric_.slices_at(static_cast<std::size_t>(column), row);
    return slices.empty() ? -1 : slices[random_.below(static_cast<std::uint32_t>(slices.size()))];
}

// The place of something that the atom is connected to.
Point Annealer::neighbour(std::int32_t atom) {
    const Span<std::int32_t> nets = cost_.nets_of(atom);
    if (nets.empty()) return cost_.at(atom);
    const Span<Cost::NetPin> pins = cost_.pins(nets[random_.below(static_cast<std::uint32_t>(nets.size()))]);
    // A net of many pins says little about where one of them should be, but its driver does.
    const Cost::NetPin& pin = pins[pins.size() > 8 ? 0 : random_.below(static_cast<std::uint32_t>(pins.size()))];
    const Point at = cost_.at(pin.object);
    return {static_cast<std::int16_t>(at.x + pin.offset.x), static_cast<std::int16_t>(at.y + pin.offset.y)};
}

bool Annealer::move_atom(double temperature) {
    const auto atom = static_cast<std::int32_t>(random_.below(static_cast<std::uint32_t>(design_.atoms.size())));
    const std::int32_t here = spots_.spot(atom), slice = random_.unit() < kDirected ? slice_near(neighbour(atom), 2)
                                                                       : slice_near(cost_.at(atom), reach());
    if (slice < 0 || slice == here >> 3) return false;
    const bool second = design_.atoms[atom].single_ff && random_.below(4) != 0;
    const std::int32_t there = 8 * slice + 2 * static_cast<std::int32_t>(random_.below(4)) + second;
    const std::int32_t other = spots_.atom_at(there);
    spots_.take(atom);
    if (other >= 0) spots_.take(other);
    bool taken = spots_.fits(atom, there);
    if (taken) {
        spots_.put(atom, there);
        taken = other < 0 || spots_.fits(other, here);
        if (taken) {
            if (other >= 0) spots_.put(other, here);
            shifts_.clear();
            shift(atom, place_of(slice));
            if (other >= 0) shift(other, place_of(here >> 3));
            taken = shifts_.empty() || decide(temperature);
            if (!taken && other >= 0) spots_.take(other);
        }
        if (!taken) spots_.take(atom);
    }
    if (taken) return true;
    spots_.put(atom, here);
    if (other >= 0) spots_.put(other, there);
    return false;
}

bool Annealer::move_slice(double temperature) {
    const auto atom = static_cast<std::int32_t>(random_.below(static_cast<std::uint32_t>(design_.atoms.size())));
    const std::int32_t here = spots_.spot(atom) >> 3, there = slice_near(place_of(here), reach());
    if (there < 0 || here == there || spots_.content(here).macro >= 0 || spots_.content(there).macro >= 0) return false;
    return permute({here, there}, {there, here}, temperature);
}

bool Annealer::move_block(double temperature) {
    const std::size_t macros = design_.macros.size(), rams = design_.rams.size(), dsps = design_.dsps.size();
    if (macros + rams + dsps == 0) return false;
    const std::uint32_t pick = random_.below(static_cast<std::uint32_t>(macros + rams + dsps));
    if (pick < macros) return move_macro(static_cast<std::int32_t>(pick), temperature);
    if (pick < macros + rams)
        return move_hard(placement_.ram_place, design_.rams, fabric_.rams(), cost_.objects().rams,
                         static_cast<std::int32_t>(pick - macros), temperature);
    return move_hard(placement_.dsp_place, design_.dsps, fabric_.dsps(), cost_.objects().dsps,
                     static_cast<std::int32_t>(pick - macros - rams), temperature);
}

// A macro goes to other slices of a column; what was there goes where the macro was.
bool Annealer::move_macro(std::int32_t macro, double temperature) {
    const std::int32_t here = spots_.macro_slice(macro);
    std::int32_t there = slice_near(place_of(here), reach());
    if (there < 0 || there == here) return false;
    from_.clear(), to_.clear();
    std::int32_t old = here;
    for (std::size_t n = 0; n < design_.macros[macro].slices.size(); ++n) {
        if (there < 0 || (spots_.content(there).macro >= 0 && spots_.content(there).macro != macro)) return false;
        from_.push_back(old), to_.push_back(there);
        old = fabric_.slices()[old].above, there = fabric_.slices()[there].above;
    }
    // Slices that the macro enters but did not have give their contents to those that it leaves.
    std::vector<std::int32_t> entered, left;
    for (std::int32_t slice : to_)
        if (std::find(from_.begin(), from_.end(), slice) == from_.end()) entered.push_back(slice);
    for (std::int32_t slice : from_)
        if (std::find(to_.begin(), to_.end(), slice) == to_.end()) left.push_back(slice);
    from_.insert(from_.end(), entered.begin(), entered.end());
    to_.insert(to_.end(), left.begin(), left.end());
    return permute(std::vector<std::int32_t>(from_), std::vector<std::int32_t>(to_), temperature);
}

bool Annealer::permute(const std::vector<std::int32_t>& from, const std::vector<std::int32_t>& to, double temperature) {
    for (std::size_t n = 0; n < from.size(); ++n)
        if (!spots_.content_fits(from[n], to[n])) return false;
    shifts_.clear();
    for (std::size_t n = 0; n < from.size(); ++n) {
        const Content& content = spots_.content(from[n]);
        for (std::int32_t atom : content.atoms)
            if (atom >= 0) shift(atom, place_of(to[n]));
        if (content.macro >= 0 && content.part == 0) shift(cost_.objects().macros + content.macro, place_of(to[n]));
    }
    if (!shifts_.empty() && !decide(temperature)) return false;
    spots_.permute(from, to);
    return true;
}

// A block RAM or DSP goes to another place and changes with what is there.
bool Annealer::move_hard(std::vector<std::int32_t>& at, const std::vector<std::vector<CellId>>& blocks,
                         const std::vector<Place>& places, std::int32_t first, std::int32_t block, double temperature) {
    const std::int32_t here = at[block], there = static_cast<std::int32_t>(random_.below(static_cast<std::uint32_t>(places.size())));
    const int reach = std::max(30, 3 * static_cast<int>(window_));
    const Point a = places[here].at, b = places[there].at;
    if (here == there || std::abs(a.x - b.x) > reach || std::abs(a.y - b.y) > reach) return false;
    const std::size_t size = blocks[block].size();
    const auto covers = [&](std::int32_t other, std::int32_t place) {
        for (std::size_t n = 0, mine = at[other]; n < blocks[other].size(); ++n, mine = places[mine].above)
            if (static_cast<std::int32_t>(mine) == place) return true;
        return false;
    };
    std::int32_t other = -1, place = there;
    for (std::size_t n = 0; n < size; ++n, place = places[place].above) {
        if (place < 0) return false;
        for (std::int32_t k = 0; k < static_cast<std::int32_t>(at.size()); ++k) {
            if (!covers(k, place)) continue;
            if (k == block || (other >= 0 && other != k) || blocks[k].size() != size || at[k] != there) return false;
            other = k;
        }
    }
    shifts_.clear();
    shift(first + block, b);
    if (other >= 0) shift(first + other, a);
    if (!shifts_.empty() && !decide(temperature)) return false;
    at[block] = there;
    if (other >= 0) at[other] = here;
    return true;
}

void Annealer::report(double done, double rate) {
    char line[120];
    std::snprintf(line, sizeof line, "wires %.0f and %.0f for crowded tiles, longest path %.2f ns, %.1f %% of the moves taken",
                  cost_.wires(), cost_.crowding(), timing_.longest(), 100 * rate);
    progress_(std::clamp(done, 0.0, 1.0), line);
}

Placement Annealer::result() {
    for (std::size_t atom = 0; atom < design_.atoms.size(); ++atom)
        placement_.atom_spot.push_back(spots_.spot(static_cast<std::int32_t>(atom)));
    for (std::size_t macro = 0; macro < design_.macros.size(); ++macro)
        placement_.macro_slice.push_back(spots_.macro_slice(static_cast<std::int32_t>(macro)));
    return placement_;
}

}  // namespace

Placement place(const Design& design, const Fabric& fabric, const DelayTable& delays, Timing& timing,
                const PlaceOptions& options, const PlaceProgress& progress) {
    return Annealer(design, fabric, delays, timing, options, progress).run();
}

}  // namespace pnr
