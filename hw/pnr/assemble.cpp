#include "assemble.h"

#include <algorithm>
#include <map>
#include <set>

#include "sites.h"

namespace pnr {
namespace {

class Assembler {
public:
    Assembler(const Design& design, const Fabric& fabric, const Placement& placement, const Timing& timing)
        : design_(design), netlist_(*design.netlist), fabric_(fabric), device_(fabric.device()), placement_(placement),
          timing_(timing) {
        result_.luts = design.luts;
    }

    Assembly run() {
        start_nets();
        fill_slices();
        for (PlacedSlice& slice : result_.slices) connect_slice(slice);
        place_blocks();
        for (const PlacedBlock& block : result_.blocks) connect_block(block);
        drop_unused();
        return std::move(result_);
    }

private:
    void start_nets();
    void fill_slices();
    void add_first(PlacedLetter& placed, const Atom& atom, bool shared);
    void add_second(PlacedLetter& placed, const Atom& atom);
    void connect_slice(PlacedSlice& slice);
    void connect_letter(PlacedSlice& slice, int place);
    void connect_lut(PlacedSlice& slice, int place);
    void connect_memory(const PlacedSlice& slice, int place);
    void connect_control(const PlacedSlice& slice);
    void place_blocks();
    void connect_block(const PlacedBlock& block);
    void tie_idle_inputs(const Cell& cell, SiteId site);
    bool wired(NodeId node) const;
    void drop_unused();

    std::int32_t net_of(NetId net) const { return route_net_[net]; }
    // A sink of a net, or of ground or supply; kNothing leaves the pin alone.
    std::int32_t sink(NetId net, SiteId site, const std::vector<std::string>& pins);
    void source(NetId net, SiteId site, const std::string& pin);
    // The netlist's connections to a cell's pins that carry a net come by this sink.
    void credit(CellId cell, NetId net, std::int32_t sink_number);
    bool leaves(NetId net, const Letter& letter) const;
    bool inside(PinRef user, const Letter& letter, NetId net) const;

    const Design& design_;
    const Netlist& netlist_;
    const Fabric& fabric_;
    const Device& device_;
    const Placement& placement_;
    const Timing& timing_;
    Assembly result_;
    std::vector<std::int32_t> route_net_;
};

std::string pin_of(int place, const char* suffix) { return std::string(1, static_cast<char>('A' + place)) + suffix; }

void Assembler::start_nets() {
    route_net_.assign(netlist_.nets(), -1);
    for (NetId net = 0; net < netlist_.nets(); ++net) {
        Net made;
        made.name = netlist_.net_name(net);
        made.kind = net == kZero ? Kind::ground : net == kOne ? Kind::supply : Kind::signal;
        if (!constant(net)) {
            const bool clock = netlist_.driver(net).cell == design_.clock_buffer ||
                               (!netlist_.users(net).empty() && netlist_.users(net)[0].cell == design_.clock_buffer);
            if (clock && design_.clock_buffer >= 0) made.kind = Kind::clock;
        }
        route_net_[net] = static_cast<std::int32_t>(result_.nets.size());
        result_.nets.push_back(std::move(made));
    }
}

void Assembler::fill_slices() {
    std::map<std::int32_t, PlacedSlice> slices;
    const auto at = [&](std::int32_t place) -> PlacedSlice& {
        const auto [found, made] = slices.try_emplace(place);
        if (made) found->second.place = place;
        return found->second;
    };
    for (std::size_t n = 0; n < design_.macros.size(); ++n) {
        std::int32_t place = placement_.macro_slice[n];
        for (const Slice& part : design_.macros[n].slices) {
            PlacedSlice& slice = at(place);
            slice.slice = part;
            for (int letter = 0; letter < 4; ++letter) slice.letters[letter].letter = part.letters[letter];
            place = fabric_.slices()[place].above;
        }
    }
    std::map<std::int32_t, std::int32_t> atoms;  // by spot: first ones come before those that share their letter
    for (std::size_t n = 0; n < design_.atoms.size(); ++n)
        atoms[placement_.atom_spot[n]] = static_cast<std::int32_t>(n);
    for (const auto& [spot, n] : atoms) {
        const Atom& atom = design_.atoms[n];
        PlacedSlice& slice = at(spot >> 3);
        PlacedLetter& letter = slice.letters[(spot & 7) >> 1];
        if (spot & 1) add_second(letter, atom);
        else add_first(letter, atom, atoms.count(spot | 1) != 0);
        if (atom.control >= 0) slice.slice.control = atom.control;
        slice.shifts |= atom.letter.memory == Memory::shift16;
    }
    for (auto& [place, slice] : slices) result_.slices.push_back(std::move(slice));
}

void Assembler::add_first(PlacedLetter& placed, const Atom& atom, bool shared) {
    placed.letter = atom.letter;
    if (!atom.single_ff) return;
    if (!shared) {
        placed.either = true;
        return;
    }
    // The other flip-flop needs AX, so this one's input passes the LUT.
    result_.luts.push_back({{atom.letter.bypass}, 0b10, kNothing, kNothing});
    placed.letter.six = static_cast<std::int32_t>(result_.luts.size()) - 1;
    placed.letter.bypass = kNothing;
    placed.letter.ff_from = From::o6;
}

void Assembler::add_second(PlacedLetter& placed, const Atom& atom) {
    Letter& letter = placed.letter;
    letter.bypass = atom.letter.bypass;
    if (letter.ff < 0) {
        letter.ff = atom.letter.ff;
        letter.ff_from = From::bypass;
        placed.either = letter.lut_free();
        return;
    }
    letter.ff5 = atom.letter.ff;
    letter.ff5_from = From::bypass;
    letter.mux = Out::second;
    letter.mux_net = netlist_.cell(letter.ff5).at("Q");
}

std::int32_t Assembler::sink(NetId net, SiteId site, const std::vector<std::string>& pins) {
    if (net < 0) return -1;
    Sink made;
    for (const std::string& pin : pins) made.pins.push_back(device_.pin_node(site, pin));
    auto& sinks = result_.nets[net_of(net)].sinks;
    sinks.push_back(std::move(made));
    return static_cast<std::int32_t>(sinks.size()) - 1;
}

void Assembler::source(NetId net, SiteId site, const std::string& pin) {
    if (net > kOne) result_.nets[net_of(net)].sources.push_back(device_.pin_node(site, pin));
}

void Assembler::credit(CellId cell, NetId net, std::int32_t sink_number) {
    if (cell < 0 || net <= kOne) return;
    const auto& users = netlist_.users(net);
    for (std::size_t k = 0; k < users.size(); ++k)
        if (users[k].cell == cell) result_.connections.push_back({timing_.connection(net, k), net_of(net), sink_number});
}

// Whether a user of `net`, which the letter's LUT or memory drives, is within the letter.
bool Assembler::inside(PinRef user, const Letter& letter, NetId) const {
    const CellPin& pin = netlist_.pin(user);
    if (user.cell == letter.ff && pin.name == "D") return letter.ff_from != From::bypass;
    if (user.cell == letter.ff5 && pin.name == "D") return letter.ff5_from != From::bypass;
    return false;
}

bool Assembler::leaves(NetId net, const Letter& letter) const {
    const auto& users = netlist_.users(net);
    return std::any_of(users.begin(), users.end(), [&](PinRef user) { return !inside(user, letter, net); });
}

void Assembler::connect_slice(PlacedSlice& slice) {
    for (int place = 0; place < 4; ++place) connect_letter(slice, place);
    connect_control(slice);
}

void Assembler::connect_letter(PlacedSlice& slice, int place) {
    PlacedLetter& placed = slice.letters[place];
    Letter& letter = placed.letter;
    const SiteId site = fabric_.slices()[slice.place].site;
    connect_lut(slice, place);
    connect_memory(slice, place);
    if (letter.bypass >= 0) {
        std::vector<std::string> pins{pin_of(place, "X")};
        if (placed.either)
            for (const char* number : {"1", "2", "3", "4", "5", "6"}) pins.push_back(pin_of(place, number));
        const std::int32_t number = sink(letter.bypass, site, pins);
        for (CellId cell : {letter.ff_from == From::bypass ? letter.ff : kNothing,
                            letter.ff5_from == From::bypass ? letter.ff5 : kNothing,
                            letter.carry ? slice.slice.carry : kNothing})
            credit(cell, letter.bypass, number);
        if (placed.either) placed.inputs.push_back({letter.bypass, net_of(letter.bypass), number});
    }
    if (letter.ff >= 0) source(netlist_.cell(letter.ff).at("Q"), site, pin_of(place, "Q"));
    if (letter.mux != Out::none) source(letter.mux_net, site, pin_of(place, "MUX"));
}

void Assembler::connect_lut(PlacedSlice& slice, int place) {
    PlacedLetter& placed = slice.letters[place];
    const Letter& letter = placed.letter;
    const SiteId site = fabric_.slices()[slice.place].site;
    if (letter.six < 0 && letter.five < 0) return;
    const bool both = letter.six >= 0 && letter.five >= 0;
    std::vector<std::string> pins;
    for (const char* number : {"1", "2", "3", "4", "5"}) pins.push_back(pin_of(place, number));
    if (both) sink(kOne, site, {pin_of(place, "6")});
    else pins.push_back(pin_of(place, "6"));
    std::vector<NetId> inputs;
    for (std::int32_t lut : {letter.six, letter.five})
        if (lut >= 0)
            for (NetId net : result_.luts[lut].inputs)
                if (std::find(inputs.begin(), inputs.end(), net) == inputs.end()) inputs.push_back(net);
    for (NetId net : inputs) {
        const std::int32_t number = sink(net, site, pins);
        placed.inputs.push_back({net, net_of(net), number});
        for (std::int32_t lut : {letter.six, letter.five}) {
            if (lut < 0) continue;
            const Lut& about = result_.luts[lut];
            if (std::find(about.inputs.begin(), about.inputs.end(), net) == about.inputs.end()) continue;
            if (about.cell >= 0) credit(about.cell, net, number);
            else if (letter.carry) credit(slice.slice.carry, net, number);
            else credit(letter.ff, net, number);
        }
    }
    const NetId out = letter.six >= 0 ? result_.luts[letter.six].output : kNothing;
    if (out < 0) return;
    // The selection of a carry leaves only if someone besides that carry reads it.
    bool used = false;
    for (PinRef user : netlist_.users(out))
        used |= !inside(user, letter, out) && !(letter.carry && user.cell == slice.slice.carry &&
                                                 netlist_.pin(user).name == "S" + std::to_string(place));
    if (used) source(out, site, pin_of(place, ""));
}

void Assembler::connect_memory(const PlacedSlice& slice, int place) {
    const Letter& letter = slice.letters[place].letter;
    if (letter.memory == Memory::none) return;
    const SiteId site = fabric_.slices()[slice.place].site;
    const CellId cell = letter.memory_cell;
    for (int bit = 0; bit < 6; ++bit) {
        const NetId net = letter.address[bit] < 0 ? kOne : letter.address[bit];
        credit(cell, net, sink(net, site, {pin_of(place, std::to_string(bit + 1).c_str())}));
    }
    if (letter.data1 >= 0) credit(cell, letter.data1, sink(letter.data1, site, {place == 3 ? "DI" : pin_of(place, "I")}));
    if (letter.bypass >= 0 && letter.bypass > kOne) {
        // connect_letter() adds the sink itself, as the next one of its net.
        credit(cell, letter.bypass, static_cast<std::int32_t>(result_.nets[net_of(letter.bypass)].sinks.size()));
    }
    if (letter.memory6 >= 0 && leaves(letter.memory6, letter)) source(letter.memory6, site, pin_of(place, ""));
}

void Assembler::connect_control(const PlacedSlice& slice) {
    const SiteId site = fabric_.slices()[slice.place].site;
    NetId clock = slice.slice.write_clock;
    const NetId write = slice.slice.write_enable;
    if (write >= 0) {
        const std::int32_t number = sink(write, site, {"WE"});
        if (write > kOne) credit(slice.letters[0].letter.memory_cell, write, number);
    }
    if (slice.slice.control >= 0) {
        const Control& control = design_.controls[slice.slice.control];
        clock = control.clock;
        std::int32_t enable = -1, reset = -1;
        if (control.enable != kOne || slice.shifts) enable = sink(control.enable, site, {"CE"});
        if (control.reset != kZero) reset = sink(control.reset, site, {"SR"});
        for (const PlacedLetter& letter : slice.letters)
            for (CellId ff : {letter.letter.ff, letter.letter.ff5}) {
                if (ff < 0) continue;
                for (const CellPin& pin : netlist_.cell(ff).pins) {
                    if (pin.output || pin.name == "C" || pin.name == "D" || constant(pin.net)) continue;
                    const std::int32_t number = pin.name == "CE" ? enable : reset;
                    const auto& users = netlist_.users(pin.net);
                    for (std::size_t k = 0; k < users.size(); ++k)
                        if (users[k].cell == ff && netlist_.pin(users[k]).name == pin.name)
                            result_.connections.push_back({timing_.connection(pin.net, k), net_of(pin.net), number});
                }
            }
    }
    if (clock >= 0) sink(clock, site, {"CLK"});
}

void Assembler::place_blocks() {
    for (std::size_t n = 0; n < design_.rams.size(); ++n)
        result_.blocks.push_back({design_.rams[n][0], fabric_.rams()[placement_.ram_place[n]].site});
    for (std::size_t n = 0; n < design_.dsps.size(); ++n) {
        std::int32_t place = placement_.dsp_place[n];
        for (CellId cell : design_.dsps[n]) {
            result_.blocks.push_back({cell, fabric_.dsps()[place].site});
            place = fabric_.dsps()[place].above;
        }
    }
    if (design_.processor >= 0) result_.blocks.push_back({design_.processor, fabric_.processor()});
    if (design_.clock_buffer >= 0) result_.blocks.push_back({design_.clock_buffer, fabric_.clock_buffer()});
}

void Assembler::connect_block(const PlacedBlock& block) {
    const Cell& cell = netlist_.cell(block.cell);
    for (std::size_t n = 0; n < cell.pins.size(); ++n) {
        const CellPin& pin = cell.pins[n];
        if (fixed_wire(cell, pin.name) || (cell.type == "DSP48E1" && pin.name.substr(0, 5) == "PCOUT")) continue;
        const NetId net = pin.net == kZero && invertible(cell, pin.name) ? kOne : pin.net;
        for (const std::string& name : site_pins(cell, pin.name)) {
            if (pin.output) {
                source(net, block.site, name);
                continue;
            }
            const std::int32_t number = sink(net, block.site, {name});
            if (constant(net)) continue;
            const auto& users = netlist_.users(net);
            for (std::size_t k = 0; k < users.size(); ++k)
                if (users[k].cell == block.cell && users[k].pin == static_cast<std::int32_t>(n))
                    result_.connections.push_back({timing_.connection(net, k), net_of(net), number});
        }
    }
    if (cell.type == "PS7") tie_idle_inputs(cell, block.site);
    if (cell.type != "DSP48E1") return;
    // Inputs of the pre-adder and their control have constants of their own; unused they are 0.
    for (std::string name : idle_dsp_pins())
        if (cell.at(name) < 0) sink(kZero, block.site, {name});
}

// Inputs of the processing system that the netlist leaves open are 0, as Vivado has them: open they would read 1, such as a
// fault of the USB port's power. Left open are lines of UARTs, which idle at 1, and the pins of the chip's own tests.
void Assembler::tie_idle_inputs(const Cell& cell, SiteId site) {
    std::set<std::string> used;
    for (const CellPin& pin : cell.pins)
        for (const std::string& name : site_pins(cell, pin.name)) used.insert(name);
    for (const Pin& pin : device_.pins(site)) {
        const std::string name(device_.text(pin.name));
        const bool open = name.rfind("TEST", 0) == 0 || name.rfind("DEBUGSELECT", 0) == 0 || name == "EMIOUART0RX" ||
                          name == "EMIOUART1RX";
        if (!pin.output && !open && !used.count(name) && wired(device_.pin_node(site, pin))) sink(kZero, site, {name});
    }
}

// Whether a switch leads to a node.
bool Assembler::wired(NodeId node) const {
    bool any = false;
    device_.drivers(node, [&](PipId, NodeId) { any = true; });
    return any;
}

// Nets without a sink have nothing to route; the others keep their order.
void Assembler::drop_unused() {
    std::vector<std::int32_t> number(result_.nets.size(), -1);
    std::vector<Net> kept;
    for (std::size_t n = 0; n < result_.nets.size(); ++n) {
        if (result_.nets[n].sinks.empty()) continue;
        if (result_.nets[n].kind != Kind::ground && result_.nets[n].kind != Kind::supply && result_.nets[n].sources.empty())
            throw Error("the net " + result_.nets[n].name + " leaves its cell by no pin");
        number[n] = static_cast<std::int32_t>(kept.size());
        kept.push_back(std::move(result_.nets[n]));
    }
    result_.nets = std::move(kept);
    for (Routed& one : result_.connections) one.net = number[one.net];
    for (PlacedSlice& slice : result_.slices)
        for (PlacedLetter& letter : slice.letters)
            for (LutInput& input : letter.inputs) input.route_net = number[input.route_net];
}

}  // namespace

Assembly assemble(const Design& design, const Fabric& fabric, const Placement& placement, const Timing& timing) {
    return Assembler(design, fabric, placement, timing).run();
}

}  // namespace pnr
