// The netlist: cells of the device's kinds and the nets between their pins, as flows/cells.py writes them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace pnr {

using NetId = std::int32_t;
using CellId = std::int32_t;
constexpr NetId kZero = 0, kOne = 1;  // the constants
constexpr std::int32_t kNothing = -1;

inline bool constant(NetId net) { return net == kZero || net == kOne; }

struct CellPin {
    std::string_view name;  // "I0", "ADDRARDADDR7"
    NetId net;
    bool output;
};

struct Cell {
    std::string name, type;
    std::map<std::string, std::string> parameters;  // "0x..." or a word
    std::vector<CellPin> pins;

    // The net at a pin, kNothing where there is none.
    NetId at(std::string_view pin) const;
    // A parameter as a number, or as the word that it is.
    std::uint64_t number(const std::string& parameter, std::uint64_t otherwise) const;
    std::string word(const std::string& parameter, const std::string& otherwise) const;
};

struct PinRef {
    CellId cell = kNothing;
    std::int32_t pin = 0;
};

class Netlist {
public:
    // Throws Error when the file is missing or a line in it makes no sense.
    explicit Netlist(const std::string& path);

    const std::vector<Cell>& cells() const { return cells_; }
    const Cell& cell(CellId id) const { return cells_[id]; }
    NetId nets() const { return static_cast<NetId>(drivers_.size()); }
    PinRef driver(NetId net) const { return drivers_[net]; }
    const std::vector<PinRef>& users(NetId net) const { return users_[net]; }
    const CellPin& pin(PinRef ref) const { return cells_[ref.cell].pins[ref.pin]; }
    // A name for messages: the cell and pin that drive a net.
    std::string net_name(NetId net) const;

private:
    void read_line(const std::string& line);
    void connect();
    std::string_view keep(const std::string& name);

    std::vector<Cell> cells_;
    std::vector<PinRef> drivers_;
    std::vector<std::vector<PinRef>> users_;
    std::unordered_map<std::string, std::string> names_;
    NetId most_ = kOne;
};

}  // namespace pnr
