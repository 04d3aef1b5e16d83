#include "emit.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "emit_blocks.h"
#include "sites.h"

namespace pnr {
namespace {

std::string hexadecimal(std::uint64_t value) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return text;
}

int table_index(const Lut& lut, int address, const std::vector<std::pair<NetId, int>>& pin_of) {
    int index = 0;
    for (std::size_t n = 0; n < lut.inputs.size(); ++n) {
        const auto pin = std::find_if(pin_of.begin(), pin_of.end(), [&](const auto& one) { return one.first == lut.inputs[n]; });
        if (pin == pin_of.end()) throw Error("an input of a LUT was not routed");
        index |= (address >> pin->second & 1) << n;
    }
    return index;
}

class Emitter {
public:
    Emitter(const Design& design, const Fabric& fabric, const Assembly& assembly, const std::vector<Route>& routes)
        : design_(design), netlist_(*design.netlist), device_(fabric.device()), fabric_(fabric), assembly_(assembly),
          routes_(routes) {}

    std::vector<std::string> run() {
        for (const PlacedSlice& slice : assembly_.slices) emit_slice(slice);
        for (const PlacedBlock& block : assembly_.blocks)
            for (std::string& line : block_features(netlist_.cell(block.cell), device_, block.site)) add(line);
        for (const Route& route : routes_)
            for (const RoutedPip& pip : route.pips) emit_pip(pip.pip);
        emit_clock_rows();
        return {lines_.begin(), lines_.end()};
    }

private:
    void add(const std::string& line) { lines_.insert(line); }
    void emit_slice(const PlacedSlice& slice);
    void emit_letter(const PlacedSlice& slice, int place, const std::string& prefix);
    void emit_lut(const PlacedLetter& placed, SiteId site, const std::string& letter, const std::string& lut, bool bypassed);
    void emit_ff(CellId ff, const std::string& name);
    void emit_memory(const Letter& letter, int place, const std::string& lut);
    void emit_carry(const PlacedSlice& slice, const std::string& prefix);
    void emit_pip(PipId pip);
    void emit_clock_rows();
    // Which of a sink's pins the router took.
    NodeId taken(const LutInput& input) const { return routes_[input.route_net].pins[input.sink]; }

    const Design& design_;
    const Netlist& netlist_;
    const Device& device_;
    const Fabric& fabric_;
    const Assembly& assembly_;
    const std::vector<Route>& routes_;
    std::set<std::string> lines_;
    std::set<std::string> global_clocks_;          // GCLKs in use
    std::set<std::pair<int, std::string>> row_clocks_;  // by row of the grid: BUFHCLKs in use
};

void Emitter::emit_slice(const PlacedSlice& slice) {
    const SiteId site = fabric_.slices()[slice.place].site;
    const std::string name(device_.site_name(site));
    const int x = std::stoi(name.substr(name.find('X') + 1)) % 2;
    const std::string prefix = std::string(device_.tile_name(device_.site_tile(site))) + "." +
                               std::string(device_.site_type(site)) + "_X" + std::to_string(x) + ".";
    for (int place = 0; place < 4; ++place) emit_letter(slice, place, prefix);
    if (slice.slice.control >= 0) {
        const Control& control = design_.controls[slice.slice.control];
        if (!control.asynchronous) add(prefix + "FFSYNC");
        if (control.enable != kOne) add(prefix + "CEUSEDMUX");
        if (control.reset != kZero) add(prefix + "SRUSEDMUX");
    }
    if (slice.shifts) add(prefix + "WEMUX.CE");
    if (slice.slice.has_carry) emit_carry(slice, prefix);
}

void Emitter::emit_letter(const PlacedSlice& slice, int place, const std::string& prefix) {
    const PlacedLetter& placed = slice.letters[place];
    const Letter& letter = placed.letter;
    const std::string name(1, static_cast<char>('A' + place));
    const SiteId site = fabric_.slices()[slice.place].site;
    const bool bypassed = placed.either && taken(placed.inputs[0]) == device_.pin_node(site, name + "X");
    emit_lut(placed, site, name, prefix + name + "LUT", bypassed);
    if (letter.memory != Memory::none) emit_memory(letter, place, prefix + name + "LUT");
    static const char* const kCarries[] = {"XOR", "CY"};
    if (letter.ff >= 0) {
        emit_ff(letter.ff, prefix + name + "FF");
        From from = letter.ff_from;
        if (placed.either) from = bypassed ? From::bypass : From::o6;
        add(prefix + name + "FFMUX." + (from == From::bypass ? name + "X" : from == From::o6 ? "O6" : from == From::o5 ? "O5"
                                        : kCarries[from == From::carry]));
    }
    if (letter.ff5 >= 0) {
        emit_ff(letter.ff5, prefix + name + "5FF");
        add(prefix + name + "5FFMUX." + (letter.ff5_from == From::o5 ? "IN_A" : "IN_B"));
    }
    if (letter.mux == Out::none) return;
    add(prefix + name + "OUTMUX." + (letter.mux == Out::o5 ? "O5" : letter.mux == Out::second ? name + "5Q"
                                     : kCarries[letter.mux == Out::carry]));
}

void Emitter::emit_lut(const PlacedLetter& placed, SiteId site, const std::string& name, const std::string& lut,
                       bool bypassed) {
    const Letter& letter = placed.letter;
    Lut passing;  // a flip-flop's input that the router brought to the LUT
    const Lut* six = letter.six >= 0 ? &assembly_.luts[letter.six] : nullptr;
    const Lut* five = letter.five >= 0 ? &assembly_.luts[letter.five] : nullptr;
    if (placed.either && !bypassed) {
        passing = {{letter.bypass}, 0b10, kNothing, kNothing};
        six = &passing;
    }
    if (!six && !five) return;
    std::vector<std::pair<NetId, int>> pins;
    for (const LutInput& input : placed.inputs) {
        int pin = 0;
        while (pin < 6 && device_.pin_node(site, name + std::to_string(pin + 1)) != taken(input)) ++pin;
        if (pin == 6) throw Error("an input of a LUT was not routed to one of its pins");
        pins.push_back({input.net, pin});
    }
    if (const std::uint64_t table = lut_table(six, five, pins)) add(lut + ".INIT=" + hexadecimal(table));
}

void Emitter::emit_ff(CellId ff, const std::string& name) {
    const Cell& cell = netlist_.cell(ff);
    if (!cell.number("INIT", 0)) add(name + ".ZINI");
    if (cell.type == "FDRE" || cell.type == "FDCE") add(name + ".ZRST");
}

void Emitter::emit_memory(const Letter& letter, int place, const std::string& lut) {
    static const char* const kData[] = {".DI1MUX.AI", ".DI1MUX.BI", ".DI1MUX.CI"};
    if (letter.memory == Memory::shift16) {
        add(lut + ".SRL");
        add(lut + ".SMALL");
        return;
    }
    add(lut + ".RAM");
    if (letter.memory == Memory::ram32) add(lut + ".SMALL");
    if (place < 3) add(lut + kData[place]);
}

void Emitter::emit_carry(const PlacedSlice& slice, const std::string& prefix) {
    const Slice& about = slice.slice;
    add(prefix + "PRECYINIT." +
        (about.carry_in ? "CIN" : about.carry_start == kZero ? "C0" : about.carry_start == kOne ? "C1" : "AX"));
    for (int place = 0; place < 4; ++place)
        if (slice.letters[place].letter.carry && slice.letters[place].letter.carry_from_o5)
            add(prefix + "CARRY4." + std::string(1, static_cast<char>('A' + place)) + "CY0");
}

void Emitter::emit_pip(PipId pip) {
    const std::string name = device_.pip_name(pip);
    const std::size_t first = name.find('.'), second = name.find('.', first + 1);
    const std::string tile = name.substr(0, first), to = name.substr(first + 1, second - first - 1),
                      from = name.substr(second + 1);
    const std::string_view kind = device_.tile_kind(pip.tile);
    const PipHow how = device_.pip_how(pip);
    if (how == PipHow::bits) add(name);
    if (how == PipHow::through && to.compare(0, 22, "CLK_HROW_CK_HCLK_OUT_L") == 0)
        for (const char* bit : {".IN_USE", ".ZINV_CE"}) add(tile + ".BUFHCE.BUFHCE_X0Y" + to.substr(22) + bit);
    if (how == PipHow::through && to.compare(0, 22, "CLK_HROW_CK_HCLK_OUT_R") == 0)
        for (const char* bit : {".IN_USE", ".ZINV_CE"}) add(tile + ".BUFHCE.BUFHCE_X1Y" + to.substr(22) + bit);
    if (kind.substr(0, 5) == "HCLK_" && from.compare(0, 15, "HCLK_CK_BUFHCLK") == 0) {
        add(tile + ".ENABLE_BUFFER." + from);
        row_clocks_.insert({device_.tile_y(pip.tile), from.substr(8)});
    }
    if (kind.substr(0, 8) == "CLK_HROW" && how == PipHow::bits) {
        if (from.compare(0, 18, "CLK_HROW_R_CK_GCLK") == 0) {
            add(tile + "." + from + "_ACTIVE");
            global_clocks_.insert(from.substr(14));
        } else if (from.compare(0, 14, "CLK_HROW_CK_IN") == 0) {
            add(tile + "." + from + "_ACTIVE");
        }
    }
    for (const char* port : {"ARD", "BWR"})
        if (to.rfind(std::string("BRAM_CASCOUT_ADDR") + port, 0) == 0) add(tile + ".CASCOUT_" + port + "_ACTIVE");
}

// What keeps the columns of clocks in use alive, and the three bits that every bitstream has.
void Emitter::emit_clock_rows() {
    for (TileId tile = 0; tile < device_.tiles(); ++tile) {
        const std::string_view kind = device_.tile_kind(tile);
        const std::string name(device_.tile_name(tile));
        if (kind == "CLK_BUFG_REBUF")
            for (const std::string& clock : global_clocks_)
                for (const char* side : {"_ENABLE_ABOVE", "_ENABLE_BELOW"}) add(name + "." + clock + side);
        if (kind == "HCLK_CMT" || kind == "HCLK_CMT_L")
            for (const auto& [row, clock] : row_clocks_)
                if (row == device_.tile_y(tile)) add(name + ".HCLK_CMT_CK_" + clock + "_USED");
        if (kind == "CFG_CENTER_MID")
            for (const char* number : {"1", "2", "3"}) add(name + ".ALWAYS_ON_PROP" + number);
    }
}

}  // namespace

std::uint64_t lut_table(const Lut* six, const Lut* five, const std::vector<std::pair<NetId, int>>& pin_of) {
    std::uint64_t table = 0;
    for (int address = 0; address < 64; ++address) {
        const Lut* lut = five && (!six || address < 32) ? five : six;
        if (lut->table >> table_index(*lut, address, pin_of) & 1) table |= std::uint64_t{1} << address;
    }
    return table;
}

std::vector<std::string> features(const Design& design, const Fabric& fabric, const Assembly& assembly,
                                  const std::vector<Route>& routes) {
    return Emitter(design, fabric, assembly, routes).run();
}

}  // namespace pnr
