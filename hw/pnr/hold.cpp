#include "hold.h"

#include <string_view>

namespace pnr {

namespace {

// Nanoseconds of a connection at the fast corner, within a clock region and from one to another.
struct Least {
    float within, across;
};

constexpr Least kMemory{0.f, 0.55f}, kBlock{0.f, 0.35f}, kRegister{0.f, 0.45f}, kControl{0.f, 0.f}, kLut{0.f, 0.25f};

TileId tile_of(const Device& device, NodeId node) {
    TileId first = kNone;
    device.wires(node, [&](TileId tile, std::uint32_t, bool) {
        if (first == kNone) first = tile;
    });
    return first;
}

bool is_lut_input(std::string_view pin) {
    return pin.size() == 2 && pin[0] >= 'A' && pin[0] <= 'D' && pin[1] >= '1' && pin[1] <= '6';
}

// What a sink is, by the pin that it may take. A LUT input that cannot be exchanged is the address of a memory.
Least least_of(std::string_view pin, std::string_view tile, bool exchangeable) {
    if (tile.substr(0, 3) != "CLB") return kBlock;
    if (is_lut_input(pin)) return exchangeable ? kLut : kMemory;
    if (pin.back() == 'I') return kMemory;
    return pin.back() == 'X' ? kRegister : kControl;
}

}  // namespace

void require_hold(const Device& device, std::vector<Net>& nets) {
    for (Net& net : nets) {
        if (net.kind != Kind::signal || net.sources.empty()) continue;
        const auto home = device.clock_region(tile_of(device, net.sources.front()));
        for (Sink& sink : net.sinks) {
            const TileId tile = tile_of(device, sink.pins.front());
            const Pin* pin = device.input_pin(sink.pins.front());
            const Least least = least_of(pin ? device.text(pin->name) : "?", device.tile_name(tile), sink.pins.size() > 1);
            sink.required_min = device.clock_region(tile) == home ? least.within : least.across;
        }
    }
}

}  // namespace pnr
