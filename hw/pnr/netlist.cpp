#include "netlist.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "device.h"

namespace pnr {

NetId Cell::at(std::string_view pin) const {
    for (const CellPin& candidate : pins)
        if (candidate.name == pin) return candidate.net;
    return kNothing;
}

std::uint64_t Cell::number(const std::string& parameter, std::uint64_t otherwise) const {
    const auto found = parameters.find(parameter);
    return found == parameters.end() ? otherwise : std::stoull(found->second, nullptr, 0);
}

std::string Cell::word(const std::string& parameter, const std::string& otherwise) const {
    const auto found = parameters.find(parameter);
    return found == parameters.end() ? otherwise : found->second;
}

Netlist::Netlist(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw Error(path + " cannot be read; flows/cells.py writes it from the netlist of Yosys");
    std::string line;
    for (std::size_t number = 1; std::getline(file, line); ++number) {
        try {
            read_line(line);
        } catch (const std::exception&) {
            throw Error(path + ", line " + std::to_string(number) + ": \"" + line + "\" is no line of a netlist");
        }
    }
    connect();
}

void Netlist::read_line(const std::string& line) {
    std::istringstream words(line);
    std::string what, name, value;
    words >> what >> name >> value;
    if (!words || value.empty()) throw Error(line);
    if (what == "cell") {
        cells_.push_back({value, name, {}, {}});
    } else if (what == "param") {
        cells_.back().parameters[name] = value;
    } else if (what == "in" || what == "out") {
        const NetId net = std::stoi(value);
        cells_.at(cells_.size() - 1).pins.push_back({keep(name), net, what == "out"});
        most_ = std::max(most_, net);
    } else {
        throw Error(line);
    }
}

std::string_view Netlist::keep(const std::string& name) {
    return names_.emplace(name, name).first->second;
}

void Netlist::connect() {
    drivers_.resize(most_ + 1);
    users_.resize(most_ + 1);
    for (CellId cell = 0; cell < static_cast<CellId>(cells_.size()); ++cell) {
        for (std::int32_t pin = 0; pin < static_cast<std::int32_t>(cells_[cell].pins.size()); ++pin) {
            const CellPin& about = cells_[cell].pins[pin];
            if (!about.output) {
                users_[about.net].push_back({cell, pin});
                continue;
            }
            if (drivers_[about.net].cell != kNothing || constant(about.net))
                throw Error("the netlist has two drivers on one net: " + net_name(about.net) + " and " +
                            cells_[cell].name);
            drivers_[about.net] = {cell, pin};
        }
    }
    for (NetId net = kOne + 1; net < nets(); ++net)
        if (drivers_[net].cell == kNothing && !users_[net].empty())
            throw Error("nothing drives the net at " + cells_[users_[net][0].cell].name);
}

std::string Netlist::net_name(NetId net) const {
    if (constant(net)) return net == kZero ? "0" : "1";
    const PinRef from = drivers_[net];
    return from.cell == kNothing ? "?" : cells_[from.cell].name + "." + std::string(pin(from).name);
}

}  // namespace pnr
