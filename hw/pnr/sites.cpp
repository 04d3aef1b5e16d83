#include "sites.h"

#include <cctype>

namespace pnr {
namespace {

// The name without its index, and the index.
std::pair<std::string, std::string> split(std::string_view pin) {
    std::size_t end = pin.size();
    while (end > 0 && std::isdigit(static_cast<unsigned char>(pin[end - 1]))) --end;
    return {std::string(pin.substr(0, end)), std::string(pin.substr(end))};
}

std::vector<std::string> ram_pins(std::string_view pin) {
    const auto [name, index] = split(pin);
    if (name == "ADDRARDADDR" || name == "ADDRBWRADDR") {
        if (index == "15") return {name + "L15"};
        return {name + "L" + index, name + "U" + index};
    }
    if (name.compare(0, 2, "DI") == 0 || name.compare(0, 2, "DO") == 0) return {std::string(pin)};
    if (name == "RSTRAMARSTRAM") return {"RSTRAMARSTRAMLRST", "RSTRAMARSTRAMU"};
    return {name + "L" + index, name + "U" + index};  // clocks, enables, resets, byte writes
}

}  // namespace

std::vector<std::string> site_pins(const Cell& cell, std::string_view pin) {
    if (cell.type == "RAMB36E1") return ram_pins(pin);
    if (cell.type == "BUFG") return {pin == "I" ? "I0" : "O"};
    return {std::string(pin)};
}

bool invertible(const Cell& cell, std::string_view pin) {
    const std::string name = split(pin).first;
    if (cell.type == "RAMB36E1")
        return name == "RSTRAMARSTRAM" || name == "RSTRAMB" || name == "RSTREGARSTREG" || name == "RSTREGB" ||
               name == "ENARDEN" || name == "ENBWREN";
    if (cell.type == "DSP48E1") return name == "ALUMODE" || name == "INMODE" || name == "OPMODE" || name == "CARRYIN";
    return false;
}

bool fixed_wire(const Cell& cell, std::string_view pin) {
    return cell.type == "DSP48E1" && pin.substr(0, 4) == "PCIN";
}

std::vector<std::string> idle_dsp_pins() {
    std::vector<std::string> names{"RSTD", "CED", "CEAD", "CEALUMODE", "CEINMODE"};
    for (int bit = 0; bit < 25; ++bit) names.push_back("D" + std::to_string(bit));
    return names;
}

}  // namespace pnr
