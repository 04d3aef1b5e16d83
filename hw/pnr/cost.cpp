#include "cost.h"

#include <algorithm>
#include <cmath>

#include "sites.h"

namespace pnr {
namespace {

// Wire length counts as much as delays together.
constexpr double kDelayShare = 0.5;
// Nets with more pins keep their box while a pin moves within it.
constexpr std::size_t kLargeNet = 8;
// Connections that weigh less than this are not looked at.
constexpr float kLeastWeight = 1e-4f;
// A weight rises at once to what is critical now, but falls by this part alone: else paths that were shortened would be
// forgotten, grow, and be the critical ones of the next turn.
constexpr float kNewest = 0.15f;

// Tiles with more input pins than this are hard to route to; the square of what is above costs so much wire.
constexpr int kEasyLoad = 38;
constexpr float kCrowding = 0.04f;

int input_pins(const Design& design, const Letter& letter) {
    std::vector<NetId> nets;
    for (std::int32_t lut : {letter.six, letter.five})
        if (lut >= 0) nets.insert(nets.end(), design.luts[lut].inputs.begin(), design.luts[lut].inputs.end());
    nets.insert(nets.end(), letter.address.begin(), letter.address.end());
    for (NetId net : {letter.bypass, letter.data1}) nets.push_back(net);
    std::sort(nets.begin(), nets.end());
    nets.erase(std::unique(nets.begin(), nets.end()), nets.end());
    return static_cast<int>(std::count_if(nets.begin(), nets.end(), [](NetId net) { return net > kOne; }));
}

// How much more wire a net of many pins needs than the half perimeter of its box (Cheng, 1994, as VPR counts it).
float crossing(std::size_t pins) {
    static constexpr float kTable[] = {1, 1, 1, 1, 1.0828f, 1.1536f, 1.2206f, 1.2823f, 1.3385f, 1.3991f, 1.4493f};
    if (pins <= 10) return kTable[pins];
    if (pins <= 50) return 1.4493f + (2.79f - 1.4493f) * static_cast<float>(pins - 10) / 40;
    return 2.79f + 0.02616f * static_cast<float>(pins - 50);
}

}  // namespace

Objects::Objects(const Design& design) {
    macros = static_cast<std::int32_t>(design.atoms.size());
    rams = macros + static_cast<std::int32_t>(design.macros.size());
    dsps = rams + static_cast<std::int32_t>(design.rams.size());
    fixed = dsps + static_cast<std::int32_t>(design.dsps.size());
    count = fixed + 1;
}

Cost::Cost(const Design& design, const Fabric& fabric, const DelayTable& delays, Timing& timing)
    : design_(design), delay_table_(delays), timing_(timing), objects_(design), at_(objects_.count),
      rows_(fabric.rows()) {
    build_nets(fabric, timing);
    index_objects();
    tile_load_.assign(static_cast<std::size_t>(fabric.columns().back() + 1) * rows_, 0);
    for (const Atom& atom : design.atoms)
        object_load_.push_back(static_cast<std::int16_t>(input_pins(design, atom.letter)));
    for (const Macro& macro : design.macros) {
        macro_load_.emplace_back();
        for (const Slice& slice : macro.slices) {
            int load = 0;
            for (const Letter& letter : slice.letters) load += input_pins(design, letter);
            macro_load_.back().push_back(static_cast<std::int16_t>(load));
        }
    }
    net_box_.resize(nets());
    pin_weight_.assign(pins_.size(), 0);
    pin_cost_.assign(pins_.size(), 0);
    net_mark_.assign(nets(), 0);
    driver_mark_.assign(nets(), 0);
}

Cost::NetPin Cost::locate(PinRef ref, const Fabric& fabric, const std::vector<std::int32_t>& hard) const {
    const Home& home = design_.homes[ref.cell];
    if (home.atom >= 0) return {home.atom, {}, 0, -1};
    if (home.macro >= 0) return {objects_.macros + home.macro, {0, static_cast<std::int16_t>(home.slice)}, 0, -1};
    // A block: the place of its pin relative to the block, taken from one that is in the middle of the device.
    const Cell& cell = design_.netlist->cell(ref.cell);
    const CellPin& pin = design_.netlist->pin(ref);
    const std::int32_t object = hard[ref.cell];
    const auto& places = cell.type == "RAMB36E1" ? fabric.rams() : fabric.dsps();
    const Place fixed{cell.type == "BUFG" ? fabric.clock_buffer() : fabric.processor(), {}, false, -1};
    const Place& place = object == objects_.fixed ? fixed : places[places.size() / 2];
    const std::string name = site_pins(cell, pin.name)[0];
    Point at = fixed_wire(cell, pin.name) || pin.name.substr(0, 5) == "PCOUT"
                   ? place.at : fabric.pin_place(fabric.device().pin_node(place.site, name), pin.output);
    std::int16_t rise = 0;  // of a DSP in its column: half a tile of five rows each
    if (cell.type == "DSP48E1")
        for (const auto& column : design_.dsps)
            for (std::size_t n = 0; n < column.size(); ++n)
                if (column[n] == ref.cell) rise = static_cast<std::int16_t>(5 * n / 2);
    return {object, {static_cast<std::int16_t>(at.x - place.at.x), static_cast<std::int16_t>(at.y - place.at.y + rise)}, 0, -1};
}

void Cost::build_nets(const Fabric& fabric, const Timing& timing) {
    std::vector<std::int32_t> hard(design_.homes.size(), objects_.fixed);
    for (std::size_t n = 0; n < design_.rams.size(); ++n)
        for (CellId cell : design_.rams[n]) hard[cell] = objects_.rams + static_cast<std::int32_t>(n);
    for (std::size_t n = 0; n < design_.dsps.size(); ++n)
        for (CellId cell : design_.dsps[n]) hard[cell] = objects_.dsps + static_cast<std::int32_t>(n);
    const Netlist& netlist = *design_.netlist;
    net_first_.push_back(0);
    for (NetId net = kOne + 1; net < netlist.nets(); ++net) {
        const auto& users = netlist.users(net);
        if (users.empty() || netlist.driver(net).cell == design_.clock_buffer) continue;
        if (users[0].cell == design_.clock_buffer) continue;
        std::vector<NetPin> pins{locate(netlist.driver(net), fabric, hard)};
        bool apart = false;
        for (std::size_t k = 0; k < users.size(); ++k) {
            NetPin pin = locate(users[k], fabric, hard);
            const CellPin& about = netlist.pin(users[k]);
            const bool wired = fixed_wire(netlist.cell(users[k].cell), about.name) ||
                               (about.name == "CI" && pin.object == pins[0].object);
            if (!wired && (pin.object != pins[0].object || !(pin.offset == pins[0].offset))) {
                pin.connection = static_cast<std::int32_t>(timing.connection(net, k));
                apart = true;
            }
            pins.push_back(pin);
        }
        if (!apart) continue;
        for (NetPin& pin : pins) pin.net = static_cast<std::int32_t>(net_first_.size()) - 1;
        pins_.insert(pins_.end(), pins.begin(), pins.end());
        net_first_.push_back(static_cast<std::int32_t>(pins_.size()));
        net_weight_.push_back(crossing(pins.size()));
    }
}

void Cost::index_objects() {
    std::vector<std::vector<std::int32_t>> of(objects_.count), nets_of(objects_.count);
    for (std::size_t pin = 0; pin < pins_.size(); ++pin) {
        of[pins_[pin].object].push_back(static_cast<std::int32_t>(pin));
        auto& mine = nets_of[pins_[pin].object];
        if (mine.empty() || mine.back() != pins_[pin].net) mine.push_back(pins_[pin].net);
    }
    object_first_.push_back(0);
    object_net_first_.push_back(0);
    for (std::int32_t object = 0; object < objects_.count; ++object) {
        object_pins_.insert(object_pins_.end(), of[object].begin(), of[object].end());
        object_first_.push_back(static_cast<std::int32_t>(object_pins_.size()));
        object_nets_.insert(object_nets_.end(), nets_of[object].begin(), nets_of[object].end());
        object_net_first_.push_back(static_cast<std::int32_t>(object_nets_.size()));
    }
}

Span<std::int32_t> Cost::nets_of(std::int32_t object) const {
    return {object_nets_.data() + object_net_first_[object],
            static_cast<std::size_t>(object_net_first_[object + 1] - object_net_first_[object])};
}

Box Cost::measure(std::int32_t net) const {
    const Point first = pin_at(pins_[net_first_[net]]);
    Box box{first.x, first.y, first.x, first.y};
    for (std::int32_t pin = net_first_[net] + 1; pin < net_first_[net + 1]; ++pin) {
        const Point at = pin_at(pins_[pin]);
        box.x0 = std::min(box.x0, at.x), box.x1 = std::max(box.x1, at.x);
        box.y0 = std::min(box.y0, at.y), box.y1 = std::max(box.y1, at.y);
    }
    return box;
}

float Cost::crowding(int load) {
    const int above = std::max(0, load - kEasyLoad);
    return kCrowding * static_cast<float>(above * above);
}

double Cost::crowding() const {
    double sum = 0;
    for (std::int16_t load : tile_load_) sum += crowding(load);
    return sum;
}

void Cost::add_load(Point at, int load) {
    std::int16_t& tile = tile_load_[static_cast<std::size_t>(at.x) * rows_ + at.y];
    change_crowding_ += crowding(tile + load) - crowding(tile);
    tile = static_cast<std::int16_t>(tile + load);
}

// Moves the object's load from its old tiles to the new ones.
void Cost::move_load(const Shift& shift) {
    if (shift.object < objects_.macros) {
        add_load(shift.from, -object_load_[shift.object]);
        add_load(shift.to, object_load_[shift.object]);
    } else if (shift.object < objects_.rams) {
        std::int16_t part = 0;
        for (std::int16_t load : macro_load_[shift.object - objects_.macros]) {
            add_load({shift.from.x, static_cast<std::int16_t>(shift.from.y + part)}, -load);
            add_load({shift.to.x, static_cast<std::int16_t>(shift.to.y + part)}, load);
            ++part;
        }
    }
}

void Cost::count_loads() {
    std::fill(tile_load_.begin(), tile_load_.end(), std::int16_t{0});
    for (std::int32_t n = 0; n < objects_.macros; ++n) add_load(at_[n], object_load_[n]);
    for (std::int32_t n = objects_.macros; n < objects_.rams; ++n)
        for (std::size_t part = 0; part < macro_load_[n - objects_.macros].size(); ++part)
            add_load({at_[n].x, static_cast<std::int16_t>(at_[n].y + part)}, macro_load_[n - objects_.macros][part]);
}

void Cost::restart(float sharpness) {
    count_loads();
    for (std::int32_t net = 0; net < nets(); ++net) {
        const Point from = pin_at(pins_[net_first_[net]]);
        for (const NetPin& pin : pins(net))
            if (pin.connection >= 0) timing_.wire()[pin.connection] = delay_table_(from, pin_at(pin));
    }
    timing_.update();
    wires_ = delays_ = 0;
    for (std::int32_t net = 0; net < nets(); ++net) {
        net_box_[net] = measure(net);
        wires_ += length(net, net_box_[net]);
        const Point from = pin_at(pins_[net_first_[net]]);
        for (std::int32_t pin = net_first_[net]; pin < net_first_[net + 1]; ++pin) {
            if (pins_[pin].connection < 0) continue;
            const float now = std::pow(timing_.criticality(pins_[pin].connection), sharpness);
            const float weight = std::max(now, (1 - kNewest) * pin_weight_[pin] + kNewest * now);
            pin_weight_[pin] = weight < kLeastWeight ? 0 : weight;
            pin_cost_[pin] = pin_weight_[pin] * delay_table_(from, pin_at(pins_[pin]));
            delays_ += pin_cost_[pin];
        }
    }
    if (delays_ <= 0) delays_ = 1;
}

void Cost::retime(std::int32_t pin) {
    if (pin_weight_[pin] == 0) return;
    const float cost = pin_weight_[pin] * delay_table_(pin_at(pins_[net_first_[pins_[pin].net]]), pin_at(pins_[pin]));
    change_delays_ += cost - pin_cost_[pin];
    touched_pins_.push_back(pin);
    touched_costs_.push_back(cost);
}

void Cost::touch(const Shift& shift) {
    for (std::int32_t n = object_first_[shift.object]; n < object_first_[shift.object + 1]; ++n) {
        const std::int32_t pin = object_pins_[n], net = pins_[pin].net;
        const bool driver = pin == net_first_[net];
        if (driver) {
            for (std::int32_t sink = pin + 1; sink < net_first_[net + 1]; ++sink) retime(sink);
        } else if (driver_mark_[net] != mark_) {
            retime(pin);
        }
        if (net_mark_[net] == mark_) continue;
        if (static_cast<std::size_t>(net_first_[net + 1] - net_first_[net]) > kLargeNet) {
            const Box& box = net_box_[net];
            const int dx = pins_[pin].offset.x, dy = pins_[pin].offset.y;
            const int x = shift.from.x + dx, y = shift.from.y + dy, to_x = shift.to.x + dx, to_y = shift.to.y + dy;
            if (x > box.x0 && x < box.x1 && y > box.y0 && y < box.y1 && to_x >= box.x0 && to_x <= box.x1 &&
                to_y >= box.y0 && to_y <= box.y1)
                continue;
        }
        net_mark_[net] = mark_;
        const Box box = measure(net);
        change_wires_ += length(net, box) - length(net, net_box_[net]);
        touched_nets_.push_back(net);
        touched_boxes_.push_back(box);
    }
}

double Cost::change(const std::vector<Shift>& shifts) {
    ++mark_;
    change_wires_ = change_delays_ = change_crowding_ = 0;
    touched_nets_.clear(), touched_boxes_.clear(), touched_pins_.clear(), touched_costs_.clear();
    shifts_ = shifts;
    for (const Shift& shift : shifts) {
        at_[shift.object] = shift.to;
        // The driver's turn looks at all sinks of a net, so those that move as well are not counted twice.
        for (std::int32_t n = object_first_[shift.object]; n < object_first_[shift.object + 1]; ++n)
            if (object_pins_[n] == net_first_[pins_[object_pins_[n]].net]) driver_mark_[pins_[object_pins_[n]].net] = mark_;
    }
    for (const Shift& shift : shifts) touch(shift), move_load(shift);
    return (1 - kDelayShare) * (change_wires_ + change_crowding_) / wires_ + kDelayShare * change_delays_ / delays_;
}

void Cost::keep() {
    for (std::size_t n = 0; n < touched_nets_.size(); ++n) net_box_[touched_nets_[n]] = touched_boxes_[n];
    for (std::size_t n = 0; n < touched_pins_.size(); ++n) pin_cost_[touched_pins_[n]] = touched_costs_[n];
}

void Cost::undo() {
    for (const Shift& shift : shifts_) {
        at_[shift.object] = shift.from;
        move_load({shift.object, shift.to, shift.from});
    }
}

}  // namespace pnr
