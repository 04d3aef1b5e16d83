#include "pack.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "device.h"

namespace pnr {
namespace {

const char* kIndexed[] = {"0", "1", "2", "3"};

std::string indexed(const char* port, int index) { return port + std::string(kIndexed[index]); }

bool is_lut(const Cell& cell) {
    return cell.type == "INV" ||
           (cell.type.size() == 4 && cell.type.compare(0, 3, "LUT") == 0 && cell.type[3] >= '1' && cell.type[3] <= '6');
}
bool is_ff(const Cell& cell) {
    return cell.type == "FDRE" || cell.type == "FDSE" || cell.type == "FDCE" || cell.type == "FDPE";
}

class Packer {
public:
    explicit Packer(const Netlist& netlist) : netlist_(netlist) {
        design_.netlist = &netlist;
        design_.homes.resize(netlist.cells().size());
        lut_of_.assign(netlist.cells().size(), kNothing);
    }

    Design run() {
        sort_cells();
        for (const std::vector<CellId>& chain : carry_chains()) pack_chain(chain);
        for (CellId cell : memories_) pack_memory(cell);
        for (CellId cell : shifters_) pack_shifter(cell);
        pack_luts();
        for (CellId cell : ffs_)
            if (!packed(cell)) pack_single(cell);
        chain_dsps();
        return std::move(design_);
    }

private:
    bool packed(CellId cell) const { return design_.homes[cell].atom >= 0 || design_.homes[cell].macro >= 0; }
    const Cell& cell(CellId id) const { return netlist_.cell(id); }

    void sort_cells();
    std::vector<std::vector<CellId>> carry_chains() const;
    void pack_chain(const std::vector<CellId>& chain);
    void pack_carry(Macro& macro, CellId id, std::set<NetId>& taken);
    void pack_carry_letter(Slice& slice, const Cell& carry, int letter, std::set<NetId>& taken);
    void connect_carry_outputs(Slice& slice, const Cell& carry, int last, bool goes_on);
    void add_sum_ffs(Slice& slice, std::int32_t macro, int number);
    void pack_memory(CellId id);
    void pack_shifter(CellId id);
    void pack_luts();
    void pack_single(CellId id);
    void chain_dsps();

    std::int32_t make_lut(std::vector<NetId> inputs, std::uint64_t table, NetId output = kNothing,
                          CellId cell = kNothing) {
        design_.luts.push_back({std::move(inputs), table, output, cell});
        return static_cast<std::int32_t>(design_.luts.size()) - 1;
    }
    std::int32_t pass(NetId net) {
        return constant(net) ? make_lut({}, net == kOne) : make_lut({net}, 0b10);
    }
    std::int32_t control_of(CellId ff);
    bool used_beside(NetId net, CellId user) const;
    void place_in_slice(CellId id, std::int32_t macro, int slice) { design_.homes[id] = {kNothing, macro, slice}; }
    std::int32_t add_atom(const Atom& atom, std::initializer_list<CellId> cells) {
        design_.atoms.push_back(atom);
        for (CellId id : cells)
            if (id >= 0) design_.homes[id] = {static_cast<std::int32_t>(design_.atoms.size()) - 1, kNothing, 0};
        return static_cast<std::int32_t>(design_.atoms.size()) - 1;
    }
    // A flip-flop not yet packed whose D is `net`, kNothing where there is none; `control` as asked, or any (kNothing).
    CellId ff_after(NetId net, std::int32_t control = kNothing);

    const Netlist& netlist_;
    Design design_;
    std::vector<std::int32_t> lut_of_;  // Design::luts by cell
    std::vector<CellId> luts_, ffs_, carries_, memories_, shifters_;
    std::map<std::tuple<NetId, NetId, NetId, bool>, std::int32_t> control_index_;
};

void Packer::sort_cells() {
    for (CellId id = 0; id < static_cast<CellId>(netlist_.cells().size()); ++id) {
        const Cell& about = cell(id);
        if (is_lut(about)) {
            std::vector<NetId> inputs;
            for (const CellPin& pin : about.pins)
                if (!pin.output) inputs.push_back(pin.net);
            lut_of_[id] = make_lut(inputs, about.number("INIT", 0), about.at("O"), id);
            luts_.push_back(id);
        } else if (is_ff(about)) {
            ffs_.push_back(id);
        } else if (about.type == "CARRY4") {
            carries_.push_back(id);
        } else if (about.type == "RAM32M" || about.type == "RAM64M") {
            memories_.push_back(id);
        } else if (about.type == "SRL16E") {
            shifters_.push_back(id);
        } else if (about.type == "RAMB36E1") {
            design_.rams.push_back({id});
        } else if (about.type == "DSP48E1") {
            design_.dsps.push_back({id});
        } else if (about.type == "PS7" && design_.processor < 0) {
            design_.processor = id;
        } else if (about.type == "BUFG" && design_.clock_buffer < 0) {
            design_.clock_buffer = id;
        } else {
            throw Error("the cell " + about.name + " is a " + about.type + ", which this program cannot place (of PS7 "
                        "and BUFG it places one each); flows/netlist.py says what Yosys may use");
        }
    }
}

std::int32_t Packer::control_of(CellId ff) {
    const Cell& about = cell(ff);
    const bool asynchronous = about.type == "FDCE" || about.type == "FDPE";
    NetId reset = about.at(about.type == "FDRE" ? "R" : about.type == "FDSE" ? "S" : about.type == "FDCE" ? "CLR" : "PRE");
    if (reset < 0) reset = kZero;
    NetId enable = about.at("CE");
    if (enable < 0) enable = kOne;
    const Control control{about.at("C"), enable, reset, asynchronous};
    const auto key = std::make_tuple(control.clock, control.enable, control.reset, control.asynchronous);
    const auto [place, made] = control_index_.emplace(key, static_cast<std::int32_t>(design_.controls.size()));
    if (made) design_.controls.push_back(control);
    return place->second;
}

bool Packer::used_beside(NetId net, CellId user) const {
    return std::any_of(netlist_.users(net).begin(), netlist_.users(net).end(),
                       [&](PinRef ref) { return ref.cell != user; });
}

CellId Packer::ff_after(NetId net, std::int32_t control) {
    if (net < 0) return kNothing;
    for (PinRef ref : netlist_.users(net))
        if (is_ff(cell(ref.cell)) && netlist_.pin(ref).name == "D" && !packed(ref.cell) &&
            (control < 0 || control_of(ref.cell) == control))
            return ref.cell;
    return kNothing;
}

// Carry chains from their first to their last CARRY4.
std::vector<std::vector<CellId>> Packer::carry_chains() const {
    std::map<CellId, CellId> next;
    std::set<CellId> continued;
    for (CellId id : carries_) {
        const NetId in = cell(id).at("CI");
        if (in < 0 || constant(in)) continue;
        const PinRef from = netlist_.driver(in);
        if (cell(from.cell).type == "CARRY4" && netlist_.pin(from).name == "CO3" && next.emplace(from.cell, id).second)
            continued.insert(id);
    }
    std::vector<std::vector<CellId>> chains;
    for (CellId id : carries_) {
        if (continued.count(id)) continue;
        chains.push_back({id});
        for (auto after = next.find(id); after != next.end(); after = next.find(after->second))
            chains.back().push_back(after->second);
    }
    return chains;
}

void Packer::pack_chain(const std::vector<CellId>& chain) {
    const auto number = static_cast<std::int32_t>(design_.macros.size());
    design_.macros.emplace_back();
    Macro macro;
    std::set<NetId> taken;
    for (std::size_t n = 0; n < chain.size(); ++n) {
        pack_carry(macro, chain[n], taken);
        Slice& slice = macro.slices.back();
        slice.carry_in = n > 0;
        place_in_slice(chain[n], number, static_cast<int>(n));
        for (const Letter& letter : slice.letters)
            if (letter.six >= 0 && design_.luts[letter.six].cell >= 0)
                place_in_slice(design_.luts[letter.six].cell, number, static_cast<int>(n));
        int last = -1;
        const bool goes_on = n + 1 < chain.size();
        for (int letter = 0; letter < 4; ++letter)
            if (slice.letters[letter].carry) last = letter;
        connect_carry_outputs(slice, cell(chain[n]), last, goes_on);
    }
    for (std::size_t n = 0; n < chain.size(); ++n) add_sum_ffs(macro.slices[n], number, static_cast<int>(n));
    design_.macros[number] = std::move(macro);
}

// Adds the slice of a CARRY4 with the LUTs that feed it. `taken`: outputs of LUTs that are in this chain already.
void Packer::pack_carry(Macro& macro, CellId id, std::set<NetId>& taken) {
    const Cell& carry = cell(id);
    macro.slices.emplace_back();
    Slice& slice = macro.slices.back();
    slice.carry = id;
    slice.has_carry = true;
    const NetId in = carry.at("CI"), start = carry.at("CYINIT");
    slice.carry_start = in > kOne ? in : std::max(start, kZero);
    if (in > kOne && netlist_.pin(netlist_.driver(in)).name == "CO3" && macro.slices.size() > 1) slice.carry_start = kZero;
    int last = -1;
    for (int letter = 0; letter < 4; ++letter) {
        const NetId sum = carry.at(indexed("O", letter)), out = carry.at(indexed("CO", letter));
        if (sum >= 0 || out >= 0) last = letter;  // outputs without a user are not in the netlist
    }
    for (int letter = 0; letter <= last; ++letter) pack_carry_letter(slice, carry, letter, taken);
}

void Packer::pack_carry_letter(Slice& slice, const Cell& carry, int place, std::set<NetId>& taken) {
    Letter& letter = slice.letters[place];
    letter.carry = true;
    const NetId select = std::max(carry.at(indexed("S", place)), kZero);
    const NetId data = std::max(carry.at(indexed("DI", place)), kZero);
    const CellId from = constant(select) ? kNothing : netlist_.driver(select).cell;
    const bool starts_here = place == 0 && !constant(slice.carry_start);
    // Data come by O5 where the LUT has inputs to spare, else by AX. Where the chain's first carry needs AX, a LUT of six
    // inputs stays outside and its output passes the one here.
    const auto spares = [&](const Lut& lut) {
        const bool among = std::find(lut.inputs.begin(), lut.inputs.end(), data) != lut.inputs.end();
        return lut.inputs.size() + (constant(data) || among ? 0 : 1) <= 5;
    };
    const bool usable = from >= 0 && lut_of_[from] >= 0 && !packed(from);
    if (usable && (!starts_here || spares(design_.luts[lut_of_[from]])) && taken.insert(select).second)
        letter.six = lut_of_[from];
    else
        letter.six = pass(select);
    letter.carry_from_o5 = spares(design_.luts[letter.six]);
    if (letter.carry_from_o5) letter.five = pass(data);
    else letter.bypass = data;
    if (starts_here) letter.bypass = slice.carry_start;
}

// Which sums and carries leave the slice through AMUX.
void Packer::connect_carry_outputs(Slice& slice, const Cell& carry, int last, bool goes_on) {
    for (int place = 0; place <= last; ++place) {
        const NetId sum = carry.at(indexed("O", place)), out = carry.at(indexed("CO", place));
        bool carry_leaves = false;
        if (out >= 0)
            for (PinRef ref : netlist_.users(out))
                carry_leaves |= !(goes_on && place == 3 && netlist_.pin(ref).name == "CI");
        Letter& letter = slice.letters[place];
        if (sum >= 0) letter.mux = Out::sum, letter.mux_net = sum;
        if (!carry_leaves) continue;
        if (sum < 0)
            letter.mux = Out::carry, letter.mux_net = out;
        else
            throw Error("the carry chain at " + carry.name + " has sum and carry of one bit in use; flows/cells.py splits them");
    }
}

// Flip-flops of sums and carries, as far as they share their control.
void Packer::add_sum_ffs(Slice& slice, std::int32_t macro, int number) {
    std::map<std::int32_t, int> votes;
    for (Letter& letter : slice.letters)
        if (letter.mux != Out::none)
            if (const CellId ff = ff_after(letter.mux_net); ff >= 0) ++votes[control_of(ff)];
    if (votes.empty()) return;
    slice.control = std::max_element(votes.begin(), votes.end(), [](auto& a, auto& b) { return a.second < b.second; })->first;
    for (Letter& letter : slice.letters) {
        if (letter.mux == Out::none) continue;
        const CellId ff = ff_after(letter.mux_net, slice.control);
        if (ff < 0) continue;
        letter.ff = ff;
        letter.ff_from = letter.mux == Out::sum ? From::sum : From::carry;
        place_in_slice(ff, macro, number);
        if (!used_beside(letter.mux_net, ff)) letter.mux = Out::none, letter.mux_net = kNothing;
    }
}

// A RAM of a whole slice: letter D is written only where it is not read, A to C are read and written.
void Packer::pack_memory(CellId id) {
    const Cell& ram = cell(id);
    const bool wide = ram.type == "RAM32M";
    const auto number = static_cast<std::int32_t>(design_.macros.size());
    Macro macro;
    macro.needs_m = true;
    macro.slices.emplace_back();
    Slice& slice = macro.slices[0];
    slice.write_enable = ram.at("WE");
    slice.write_clock = ram.at("WCLK");
    std::map<std::int32_t, int> votes;
    for (int place = 0; place < 4; ++place) {
        Letter& letter = slice.letters[place];
        const std::string name(1, static_cast<char>('A' + place));
        letter.memory = wide ? Memory::ram32 : Memory::ram64;
        letter.memory_cell = id;
        for (int bit = 0; bit < (wide ? 5 : 6); ++bit) letter.address[bit] = ram.at("ADDR" + name + std::to_string(bit));
        if (wide) {
            letter.data1 = ram.at("DI" + name + "0"), letter.bypass = ram.at("DI" + name + "1");
            letter.memory5 = ram.at("DO" + name + "0"), letter.memory6 = ram.at("DO" + name + "1");
        } else {
            letter.data1 = ram.at("DI" + name), letter.memory6 = ram.at("DO" + name);
        }
        if (ram.number("INIT_" + name, 0)) throw Error("the memory " + ram.name + " starts with values that are not 0");
        for (NetId net : {letter.memory5, letter.memory6})
            if (const CellId ff = ff_after(net); ff >= 0) ++votes[control_of(ff)];
    }
    if (!votes.empty())
        slice.control =
            std::max_element(votes.begin(), votes.end(), [](auto& a, auto& b) { return a.second < b.second; })->first;
    place_in_slice(id, number, 0);
    for (Letter& letter : slice.letters) {
        if (const CellId ff = ff_after(letter.memory6, slice.control); slice.control >= 0 && ff >= 0) {
            letter.ff = ff, letter.ff_from = From::o6;
            place_in_slice(ff, number, 0);
        }
        if (letter.memory5 < 0) continue;
        const CellId ff = slice.control >= 0 ? ff_after(letter.memory5, slice.control) : kNothing;
        if (ff >= 0 && !used_beside(letter.memory5, ff)) {
            letter.ff5 = ff, letter.ff5_from = From::o5;
            letter.mux = Out::second, letter.mux_net = cell(ff).at("Q");
            place_in_slice(ff, number, 0);
        } else {
            letter.mux = Out::o5, letter.mux_net = letter.memory5;
        }
    }
    design_.macros.push_back(std::move(macro));
}

// A shift register in a LUT. Its enable is the slice's, which is left unconnected and so reads 1.
void Packer::pack_shifter(CellId id) {
    const Cell& shifter = cell(id);
    if (shifter.at("CE") != kOne || shifter.number("INIT", 0))
        throw Error("the shift register " + shifter.name + " has an enable or starts with values that are not 0");
    Atom atom;
    atom.needs_m = true;
    atom.letter.memory = Memory::shift16;
    atom.letter.memory_cell = id;
    atom.letter.bypass = shifter.at("D");
    atom.letter.memory6 = shifter.at("Q");
    for (int bit = 0; bit < 4; ++bit) atom.letter.address[bit + 1] = shifter.at(indexed("A", bit));
    const Control free{shifter.at("CLK"), kOne, kZero, false};
    const auto key = std::make_tuple(free.clock, free.enable, free.reset, false);
    const auto [place, made] = control_index_.emplace(key, static_cast<std::int32_t>(design_.controls.size()));
    if (made) design_.controls.push_back(free);
    atom.control = place->second;
    const CellId ff = ff_after(atom.letter.memory6, atom.control);
    if (ff >= 0) atom.letter.ff = ff, atom.letter.ff_from = From::o6;
    add_atom(atom, {id, ff});
}

// Each LUT with a flip-flop that it feeds.
void Packer::pack_luts() {
    for (CellId id : luts_) {
        if (packed(id)) continue;
        Atom atom;
        atom.letter.six = lut_of_[id];
        const CellId ff = ff_after(design_.luts[lut_of_[id]].output);
        if (ff >= 0) {
            atom.letter.ff = ff, atom.letter.ff_from = From::o6;
            atom.control = control_of(ff);
        }
        add_atom(atom, {id, ff});
    }
}

void Packer::pack_single(CellId id) {
    Atom atom;
    atom.control = control_of(id);
    const NetId data = cell(id).at("D");
    atom.letter.ff = id;
    if (constant(data)) {
        atom.letter.six = pass(data);
        atom.letter.ff_from = From::o6;
    } else {
        atom.single_ff = true;
        atom.letter.ff_from = From::bypass;
        atom.letter.bypass = data;
    }
    add_atom(atom, {id});
}

// DSPs that pass results on by PCOUT and PCIN must stand one above the other.
void Packer::chain_dsps() {
    std::map<CellId, CellId> next;
    std::set<CellId> continued;
    for (const auto& one : design_.dsps) {
        const NetId in = cell(one[0]).at("PCIN0");
        if (in <= kOne) continue;
        next[netlist_.driver(in).cell] = one[0];
        continued.insert(one[0]);
    }
    std::vector<std::vector<CellId>> chains;
    for (const auto& one : design_.dsps) {
        if (continued.count(one[0])) continue;
        chains.push_back(one);
        for (auto after = next.find(one[0]); after != next.end(); after = next.find(after->second))
            chains.back().push_back(after->second);
    }
    design_.dsps = std::move(chains);
}

}  // namespace

Design pack(const Netlist& netlist) { return Packer(netlist).run(); }

std::string summary(const Design& design) {
    std::size_t slices = 0, single = 0, pairs = 0;
    for (const Macro& macro : design.macros) slices += macro.slices.size();
    for (const Atom& atom : design.atoms) single += atom.single_ff, pairs += atom.letter.six >= 0 && atom.letter.five >= 0;
    return std::to_string(design.atoms.size()) + " letters (" + std::to_string(single) + " of a flip-flop alone, " +
           std::to_string(pairs) + " of two LUTs), " + std::to_string(design.macros.size()) + " groups of " +
           std::to_string(slices) + " slices, " + std::to_string(design.rams.size()) + " RAMs, " +
           std::to_string(design.dsps.size()) + " columns of DSPs, " + std::to_string(design.controls.size()) +
           " sets of clock, enable and reset";
}

}  // namespace pnr
