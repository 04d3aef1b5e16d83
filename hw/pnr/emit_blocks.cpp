#include "emit_blocks.h"

#include "sites.h"

namespace pnr {
namespace {

using Lines = std::vector<std::string>;

// Whether a pin of the netlist is constant 0 and so inverted from a 1.
bool inverted(const Cell& cell, const std::string& pin) {
    return cell.number("IS_" + pin + "_INVERTED", 0) != (cell.at(pin) == kZero || cell.at(pin) < 0);
}

// Both halves of a RAMB36 are set alike, each with half the width; 36 of half is the whole row of a half at once.
void ram_width(Lines& lines, const Cell& cell, const std::string& half, const std::string& name) {
    const std::uint64_t width = cell.number(name, 0);
    if (width == 0) return;
    const std::uint64_t mine = width == 1 ? 1 : width / 2;
    const std::string way = name.substr(0, name.find('_')), both = half + way + "_WIDTH_";
    if (mine == 36) {
        lines.push_back(half + "SDP_" + way + "_WIDTH_36");
        lines.push_back(both + "A_18");
        lines.push_back(both + "B_18");
    } else {
        lines.push_back(half + name + "_" + std::to_string(mine));
    }
}

Lines ram_features(const Cell& cell, const std::string& tile) {
    for (const auto& [name, value] : cell.parameters)
        if (name.compare(0, 5, "INIT_") == 0 || name.compare(0, 5, "INITP") == 0 || name.compare(0, 5, "SRVAL") == 0)
            if (value.find_first_not_of("0x") != std::string::npos)
                throw Error("the block RAM " + cell.name + " has a value in " + name + ", which is not supported");
    Lines lines;
    for (const char* number : {"0", "1"}) {
        const std::string half = tile + ".RAMB18_Y" + number + ".";
        lines.push_back(half + "IN_USE");
        for (const char* name : {"READ_WIDTH_A", "READ_WIDTH_B", "WRITE_WIDTH_A", "WRITE_WIDTH_B"})
            ram_width(lines, cell, half, name);
        for (const char* name : {"DOA_REG", "DOB_REG"})
            if (cell.number(name, 0)) lines.push_back(half + name);
        for (const char* pin : {"CLKARDCLK", "CLKBWRCLK"}) lines.push_back(half + "ZINV_" + pin);
        for (const char* pin : {"ENARDEN", "ENBWREN", "RSTRAMARSTRAM", "RSTRAMB", "RSTREGARSTREG", "RSTREGB"})
            if (!inverted(cell, pin)) lines.push_back(half + "ZINV_" + pin);
        for (const char* pin : {"REGCLKARDRCLK", "REGCLKB"})
            if (cell.at(pin) > kOne) lines.push_back(half + "ZINV_" + pin);
        for (const char* name : {"WRITE_MODE_A", "WRITE_MODE_B"})
            if (const std::string mode = cell.word(name, "WRITE_FIRST"); mode != "WRITE_FIRST")
                lines.push_back(half + name + "_" + mode);
        for (const char* name : {"ZINIT_A", "ZINIT_B", "ZSRVAL_A", "ZSRVAL_B"}) lines.push_back(half + name + "=0x3ffff");
    }
    return lines;
}

void dsp_registers(Lines& lines, const Cell& cell, const std::string& dsp) {
    for (const char* name : {"A", "B"}) {
        const std::string port(name);
        const std::uint64_t registers = cell.number(port + "REG", 1);
        if (registers != 1) lines.push_back(dsp + port + "REG_" + std::to_string(registers));
        if (!cell.number(port + "CASCREG", 1)) lines.push_back(dsp + "Z" + port + "REG_2_" + port + "CASCREG_1");
        if (cell.word(port + "_INPUT", "DIRECT") != "DIRECT") lines.push_back(dsp + port + "_INPUT[0]");
    }
    for (const char* name : {"ADREG", "ALUMODEREG", "CARRYINREG", "CARRYINSELREG", "CREG", "DREG", "INMODEREG", "MREG",
                             "OPMODEREG", "PREG"})
        if (!cell.number(name, 1)) lines.push_back(dsp + "Z" + name + "[0]");
}

void dsp_inversions(Lines& lines, const Cell& cell, const std::string& dsp) {
    for (const auto& [name, width] : {std::pair{"ALUMODE", 4}, {"INMODE", 5}, {"OPMODE", 7}})
        for (int bit = 0; bit < width; ++bit) {
            const std::string pin = name + std::to_string(bit);
            if (!(cell.at(pin) == kZero || cell.at(pin) < 0))
                lines.push_back(dsp + "ZIS_" + name + "_INVERTED[" + std::to_string(bit) + "]");
        }
    if (!inverted(cell, "CARRYIN")) lines.push_back(dsp + "ZIS_CARRYIN_INVERTED");
    lines.push_back(dsp + "ZIS_CLK_INVERTED");
}

Lines dsp_features(const Cell& cell, const std::string& tile, const std::string& name) {
    const std::string dsp = tile + ".DSP48.DSP_" + std::to_string((name.back() - '0') % 2) + ".";
    for (const char* parameter : {"USE_SIMD", "AUTORESET_PATDET", "USE_PATTERN_DETECT", "SEL_MASK"}) {
        const std::string value = cell.word(parameter, "ONE48");
        if (value != "ONE48" && value != "NO_RESET" && value != "NO_PATDET" && value != "MASK")
            throw Error("the DSP " + cell.name + " has " + parameter + " " + value + ", which is not supported");
    }
    Lines lines;
    dsp_registers(lines, cell, dsp);
    dsp_inversions(lines, cell, dsp);
    if (cell.word("USE_DPORT", "FALSE") == "TRUE") lines.push_back(dsp + "USE_DPORT[0]");
    lines.push_back(dsp + "MASK=0x3fffffffffff");
    return lines;
}

Lines buffer_features(const std::string& tile, const std::string& name) {
    const int y = std::stoi(name.substr(name.find('Y') + 1)) % 16;
    const std::string buffer = tile + ".BUFGCTRL.BUFGCTRL_X0Y" + std::to_string(y) + ".";
    return {buffer + "IN_USE", buffer + "ZINV_CE0", buffer + "ZINV_S0", buffer + "IS_IGNORE1_INVERTED"};
}

}  // namespace

std::vector<std::string> block_features(const Cell& cell, const Device& device, SiteId site) {
    const std::string tile(device.tile_name(device.site_tile(site))), name(device.site_name(site));
    if (cell.type == "RAMB36E1") return ram_features(cell, tile);
    if (cell.type == "DSP48E1") return dsp_features(cell, tile, name);
    if (cell.type == "BUFG") return buffer_features(tile, name);
    return {};
}

}  // namespace pnr
