// The device: tiles, sites, and the routing graph of nodes and switches (pips).
//
// The file is written by flows/device/export.py and mapped into memory as it is. A pip belongs to a tile type, so the
// file holds each once; the 34 million of the whole device exist only as arcs between nodes, which loading expands.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "span.h"

namespace pnr {

using NodeId = std::uint32_t;
using TileId = std::uint32_t;
using SiteId = std::uint32_t;
constexpr std::uint32_t kNone = ~0u;

// A message for the user: what was given, what fits, what to do.
struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The four columns of Project X-Ray's delays, in ns. Setup is checked with slow_max, hold with fast_min.
struct Delay {
    float fast_min = 0, fast_max = 0, slow_min = 0, slow_max = 0;
};

// One switch of one tile. Reverse: a switch of both directions that is used from its destination to its source.
struct PipId {
    std::uint32_t tile : 15, pip : 12, reverse : 1, unused : 4;
};

enum class PipHow : std::uint8_t {
    bits,     // closed by configuration bits
    always,   // a fixed connection without bits
    standby,  // closed when nothing else drives the destination: how a pin reads 1 without bits
    through,  // through a site (BUFHCE), which needs bits of its own
};

// Resistance in ohm, capacitance in fF; their product in fs.
struct PipClass {
    Delay delay;
    float resistance, capacitance;  // of the driver, of the input
    std::uint32_t pass;             // a pass transistor or wire: does not separate the capacitance on its two sides
};

// A pin of a site type; node by Device::pin_node.
struct Pin {
    std::uint32_t name;    // Device::text
    std::uint16_t wire;    // of the tile type
    std::uint8_t output;   // 1: drives
    std::uint8_t unused;
    Delay delay;           // between the node and the site
    float resistance, capacitance;
};

// A connection as the router's search sees it: where to, and its slow delay in steps of kArcStep ns with the wire
// that it leads to, one switch's load at the end of that, and the site pin's own delay if one is there.
struct Arc {
    std::uint32_t node : 22, delay : 10;
};
constexpr float kArcStep = 0.004f;

// Where a node can be left: from columns x0 to x1 and rows y0 to y1 of the fabric (the X and Y of INT tiles).
struct Box {
    std::int16_t x0, y0, x1, y1;
};

class Device {
public:
    // Throws Error when the file is missing, of another format or cut off.
    explicit Device(const std::string& path);
    ~Device();
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    // Tiles.
    TileId tiles() const { return static_cast<TileId>(tile_name_.size()); }
    std::string_view tile_name(TileId tile) const { return text(tile_name_[tile]); }
    std::string_view tile_kind(TileId tile) const { return text(kind_name_[tile_kind_[tile]]); }
    std::string_view clock_region(TileId tile) const { return text(tile_region_[tile]); }  // "X0Y1", or empty
    int tile_x(TileId tile) const { return tile_x_[tile]; }      // in the grid of all tiles
    int tile_y(TileId tile) const { return tile_y_[tile]; }
    int column(TileId tile) const { return tile_column_[tile]; } // nearest X of INT tiles
    int row(TileId tile) const { return tile_row_[tile]; }       // nearest Y of INT tiles
    TileId find_tile(std::string_view name) const;               // kNone: there is none

    // Sites, in the order of their tiles.
    SiteId sites() const { return static_cast<SiteId>(site_name_.size()); }
    std::string_view site_name(SiteId site) const { return text(site_name_[site]); }
    std::string_view site_type(SiteId site) const { return text(kind_site_type_[site_kind_[site]]); }
    TileId site_tile(SiteId site) const { return site_tile_[site]; }
    SiteId find_site(std::string_view name) const;               // kNone: there is none
    Span<Pin> pins(SiteId site) const;
    const Pin* find_pin(SiteId site, std::string_view name) const;  // null: there is none
    NodeId pin_node(SiteId site, const Pin& pin) const { return node_of(site_tile_[site], pin.wire); }
    NodeId pin_node(SiteId site, std::string_view pin) const;    // throws Error: no such pin

    // Nodes: only those that a switch or pin touches.
    NodeId nodes() const { return static_cast<NodeId>(node_box_.size()); }
    NodeId node_of(TileId tile, unsigned wire) const { return wire_node_[tile_wire_[tile] + wire]; }
    NodeId find_node(std::string_view tile, std::string_view wire) const;  // kNone: there is none
    std::string node_name(NodeId node) const;                    // TILE/WIRE of its first wire
    Box box(NodeId node) const { return node_box_[node]; }
    bool dedicated(NodeId node) const { return node_dedicated_[node] != 0; }  // clock spines and what belongs to them
    float node_resistance(NodeId node) const { return node_resistance_[node]; }
    float node_capacitance(NodeId node) const { return node_capacitance_[node]; }
    // The site pins that a node drives, and that drive it; null where there is none.
    const Pin* input_pin(NodeId node) const { return pin_of(input_pin_[node]); }
    const Pin* output_pin(NodeId node) const { return pin_of(output_pin_[node]); }
    // Calls visit(tile, wire of its type, whether a switch leaves it) for the node's wires that switches or pins touch.
    template <typename Visit>
    void wires(NodeId node, Visit visit) const;

    // Switches.
    Span<Arc> arcs(NodeId node) const { return {arcs_.data() + arc_at_[node], arc_at_[node + 1] - arc_at_[node]}; }
    // The switch from one node to another; of several the first. Throws Error: there is none.
    PipId find_pip(NodeId from, NodeId to) const;
    // Calls visit(PipId, NodeId from) for each switch that can drive a node.
    template <typename Visit>
    void drivers(NodeId node, Visit visit) const;
    // The search's guess of a switch's delay in ns; see Arc.
    float arc_delay(const PipClass& pip, NodeId to) const;
    const PipClass& pip_class(PipId pip) const { return classes_[pip_class_[pip_index(pip)]]; }
    PipHow pip_how(PipId pip) const { return static_cast<PipHow>(pip_how_[pip_index(pip)]); }
    bool pip_dedicated(PipId pip) const { return pip_dedicated_[pip_index(pip)] != 0; }
    NodeId pip_from(PipId pip) const;
    NodeId pip_to(PipId pip) const;
    // "TILE.DESTINATION.SOURCE", as the configuration bits are named.
    std::string pip_name(PipId pip) const;

    std::string_view text(std::uint32_t number) const {
        return {text_.begin() + text_at_[number], text_at_[number + 1] - text_at_[number]};
    }

private:
    class File;
    static constexpr std::uint16_t kReverse = 0x8000;

    std::uint32_t pip_index(PipId pip) const { return kind_pip_[tile_kind_[pip.tile]] + pip.pip; }
    void map_sections();
    void index_names();
    void index_pips();
    void index_pins();
    void expand_arcs();
    template <typename Visit>
    void each_arc(Visit visit) const;
    const Pin* pin_of(std::uint32_t number) const { return number == kNone ? nullptr : pins_.begin() + number; }
    template <typename Visit>
    void switches(NodeId node, const std::vector<std::uint32_t>& at, const std::vector<std::uint16_t>& list,
                  Visit visit) const;

    std::unique_ptr<File> file_;
    Span<char> text_;
    Span<std::uint32_t> text_at_;
    // Tile types.
    Span<std::uint32_t> kind_name_, kind_wire_, kind_pip_, kind_site_, wire_name_;
    Span<std::uint16_t> pip_source_, pip_target_, pip_class_;
    Span<std::uint8_t> pip_how_, pip_both_, pip_dedicated_;
    Span<PipClass> classes_;
    Span<std::uint32_t> kind_site_type_, kind_site_pin_;
    Span<Pin> pins_;
    // Tiles and sites.
    Span<std::uint32_t> tile_name_, tile_region_, tile_wire_, site_name_, site_tile_, site_kind_;
    Span<std::uint16_t> tile_kind_;
    Span<std::int16_t> tile_x_, tile_y_, tile_column_, tile_row_;
    // Nodes.
    Span<std::uint32_t> wire_node_, node_wire_at_, node_wire_, node_tile_;
    Span<float> node_resistance_, node_capacitance_;
    Span<Box> node_box_;
    Span<std::uint8_t> node_dedicated_;
    // Made when loading.
    std::unordered_map<std::string_view, TileId> tile_by_name_;
    std::unordered_map<std::string_view, SiteId> site_by_name_;
    // Switches of a type by the wire that they drive, and by the wire that they leave; kReverse marks the other way.
    std::vector<std::uint32_t> into_at_, out_at_;
    std::vector<std::uint16_t> into_, out_;
    std::vector<std::uint32_t> input_pin_, output_pin_;
    std::vector<std::uint32_t> arc_at_;
    std::vector<Arc> arcs_;
};

template <typename Visit>
void Device::switches(NodeId node, const std::vector<std::uint32_t>& at, const std::vector<std::uint16_t>& list,
                      Visit visit) const {
    for (std::uint32_t member = node_wire_at_[node]; member < node_wire_at_[node + 1]; ++member) {
        const TileId tile = node_tile_[member];
        const std::uint32_t wire = kind_wire_[tile_kind_[tile]] + node_wire_[member] - tile_wire_[tile];
        for (std::uint32_t n = at[wire]; n < at[wire + 1]; ++n) {
            visit(PipId{tile, list[n] & (kReverse - 1u), list[n] >= kReverse, 0});
        }
    }
}

template <typename Visit>
void Device::wires(NodeId node, Visit visit) const {
    for (std::uint32_t member = node_wire_at_[node]; member < node_wire_at_[node + 1]; ++member) {
        const TileId tile = node_tile_[member];
        const std::uint32_t local = node_wire_[member] - tile_wire_[tile], wire = kind_wire_[tile_kind_[tile]] + local;
        visit(tile, local, out_at_[wire] != out_at_[wire + 1]);
    }
}

template <typename Visit>
void Device::drivers(NodeId node, Visit visit) const {
    switches(node, into_at_, into_, [&](PipId pip) { visit(pip, pip_from(pip)); });
}

}  // namespace pnr
