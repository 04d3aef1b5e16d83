#include "device.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace pnr {

static_assert(sizeof(Arc) == 4 && sizeof(PipId) == 4 && sizeof(Pin) == 32 && sizeof(PipClass) == 28 && sizeof(Box) == 8,
              "these are the file's records");

// The mapped file and its table of sections.
class Device::File {
public:
    explicit File(const std::string& path) : path_(path) {
        const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        struct stat about {};
        if (file < 0 || ::fstat(file, &about) != 0 || about.st_size == 0) {
            if (file >= 0) ::close(file);
            throw Error(path + " cannot be read; python -m flows.device.export makes it");
        }
        size_ = static_cast<std::size_t>(about.st_size);
        void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
        ::close(file);
        if (data == MAP_FAILED) throw Error(path + " cannot be mapped into memory");
        data_ = static_cast<const char*>(data);
        try {
            read_table();
        } catch (...) {
            ::munmap(const_cast<char*>(data_), size_);
            throw;
        }
    }
    ~File() { ::munmap(const_cast<char*>(data_), size_); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    template <typename T>
    Span<T> section(const char* name) const {
        const auto found = sections_.find(name);
        if (found == sections_.end() || found->second.size() % sizeof(T) != 0) damaged(name);
        return {reinterpret_cast<const T*>(found->second.data()), found->second.size() / sizeof(T)};
    }

    [[noreturn]] void damaged(const std::string& where) const {
        throw Error(path_ + " is damaged or of another version (" + where +
                    "); python -m flows.device.export makes it again");
    }

private:
    void read_table() {
        constexpr std::size_t kHead = 16, kEntry = 40, kName = 24;
        std::uint64_t count = 0;
        if (size_ < kHead || std::memcmp(data_, "PNRDEV01", 8) != 0) damaged("its head");
        std::memcpy(&count, data_ + 8, 8);
        if (count > (size_ - kHead) / kEntry) damaged("its table");
        for (std::uint64_t n = 0; n < count; ++n) {
            const char* entry = data_ + kHead + kEntry * n;
            std::uint64_t place = 0, bytes = 0;
            std::memcpy(&place, entry + kName, 8);
            std::memcpy(&bytes, entry + kName + 8, 8);
            if (place > size_ || bytes > size_ - place) damaged("it is cut off");
            sections_.emplace(std::string(entry, ::strnlen(entry, kName)), std::string_view(data_ + place, bytes));
        }
    }

    std::string path_;
    const char* data_ = nullptr;
    std::size_t size_ = 0;
    std::unordered_map<std::string, std::string_view> sections_;
};

Device::Device(const std::string& path) : file_(std::make_unique<File>(path)) {
    map_sections();
    index_names();
    index_pips();
    index_pins();
    expand_arcs();
}

Device::~Device() = default;

void Device::map_sections() {
    const auto take = [&](auto& span, const char* name) {
        using T = std::remove_const_t<std::remove_reference_t<decltype(span[0])>>;
        span = file_->section<T>(name);
    };
    take(text_, "text"), take(text_at_, "text_at");
    take(kind_name_, "kind_name"), take(kind_wire_, "kind_wire"), take(kind_pip_, "kind_pip");
    take(kind_site_, "kind_site"), take(wire_name_, "wire_name");
    take(pip_source_, "pip_source"), take(pip_target_, "pip_target"), take(pip_class_, "pip_class");
    take(pip_how_, "pip_how"), take(pip_both_, "pip_both"), take(pip_dedicated_, "pip_dedicated");
    take(classes_, "classes"), take(kind_site_type_, "kind_site_type");
    take(kind_site_pin_, "kind_site_pin"), take(pins_, "pins");
    take(tile_name_, "tile_name"), take(tile_region_, "tile_region"), take(tile_wire_, "tile_wire");
    take(site_name_, "site_name"), take(site_tile_, "site_tile"), take(site_kind_, "site_kind");
    take(tile_kind_, "tile_kind"), take(tile_x_, "tile_x"), take(tile_y_, "tile_y");
    take(tile_column_, "tile_column"), take(tile_row_, "tile_row");
    take(wire_node_, "wire_node"), take(node_wire_at_, "node_wire_at"), take(node_wire_, "node_wire");
    take(node_tile_, "node_tile"), take(node_resistance_, "node_resistance");
    take(node_capacitance_, "node_capacitance"), take(node_box_, "node_box");
    take(node_dedicated_, "node_dedicated");
    // What the bit fields of PipId and Arc can hold.
    if (tiles() > 1u << 15) file_->damaged("too many tiles");
    if (nodes() > 1u << 22) file_->damaged("too many nodes");
    for (std::size_t kind = 0; kind < kind_name_.size(); ++kind) {
        if (kind_pip_[kind + 1] - kind_pip_[kind] > 1u << 12) file_->damaged("too many switches in a tile");
    }
}

void Device::index_names() {
    tile_by_name_.reserve(tiles());
    for (TileId tile = 0; tile < tiles(); ++tile) tile_by_name_.emplace(tile_name(tile), tile);
    site_by_name_.reserve(sites());
    for (SiteId site = 0; site < sites(); ++site) site_by_name_.emplace(site_name(site), site);
}

// Sorts the switches of each type by the wires at their two ends.
void Device::index_pips() {
    const std::size_t wires = wire_name_.size();
    into_at_.assign(wires + 1, 0);
    out_at_.assign(wires + 1, 0);
    const auto each = [&](auto visit) {
        for (std::uint32_t kind = 0; kind < kind_name_.size(); ++kind) {
            for (std::uint32_t pip = kind_pip_[kind]; pip < kind_pip_[kind + 1]; ++pip) {
                const auto local = static_cast<std::uint16_t>(pip - kind_pip_[kind]);
                const std::uint32_t from = kind_wire_[kind] + pip_source_[pip];
                const std::uint32_t to = kind_wire_[kind] + pip_target_[pip];
                visit(from, to, local);
                if (pip_both_[pip]) visit(to, from, static_cast<std::uint16_t>(local | kReverse));
            }
        }
    };
    each([&](std::uint32_t from, std::uint32_t to, std::uint16_t) { ++out_at_[from + 1], ++into_at_[to + 1]; });
    for (std::size_t wire = 0; wire < wires; ++wire) {
        out_at_[wire + 1] += out_at_[wire];
        into_at_[wire + 1] += into_at_[wire];
    }
    out_.resize(out_at_[wires]);
    into_.resize(into_at_[wires]);
    std::vector<std::uint32_t> out = out_at_, into = into_at_;
    each([&](std::uint32_t from, std::uint32_t to, std::uint16_t pip) {
        out_[out[from]++] = pip;
        into_[into[to]++] = pip;
    });
}

// Of several pins at a node the first counts: they are one site under the names of several types.
void Device::index_pins() {
    input_pin_.assign(nodes(), kNone);
    output_pin_.assign(nodes(), kNone);
    for (SiteId site = 0; site < sites(); ++site) {
        for (const Pin& pin : pins(site)) {
            const NodeId node = pin_node(site, pin);
            std::vector<std::uint32_t>& list = pin.output ? output_pin_ : input_pin_;
            if (node != kNone && list[node] == kNone) list[node] = static_cast<std::uint32_t>(&pin - pins_.begin());
        }
    }
}

template <typename Visit>
void Device::each_arc(Visit visit) const {
    for (TileId tile = 0; tile < tiles(); ++tile) {
        const std::uint32_t kind = tile_kind_[tile];
        const std::uint32_t* node = wire_node_.begin() + tile_wire_[tile];
        for (std::uint32_t pip = kind_pip_[kind]; pip < kind_pip_[kind + 1]; ++pip) {
            const NodeId from = node[pip_source_[pip]], to = node[pip_target_[pip]];
            visit(from, to, pip);
            if (pip_both_[pip]) visit(to, from, pip);
        }
    }
}

float Device::arc_delay(const PipClass& pip, NodeId to) const {
    constexpr float kLoad = 8.5f;      // fF, input of a typical switch
    constexpr float kDriver = 1300.f;  // ohm, a typical driver, for what comes after a pass transistor
    const float load = node_capacitance_[to] + (pip.pass ? 0.f : kLoad);
    const float resistance = pip.pass ? kDriver + pip.resistance : pip.resistance;
    const float wire = node_resistance_[to] * (node_capacitance_[to] / 2 + kLoad);
    const Pin* pin = input_pin(to);
    return pip.delay.slow_max + (resistance * load + wire) * 1e-6f + (pin ? pin->delay.slow_max : 0.f);
}

void Device::expand_arcs() {
    arc_at_.assign(nodes() + 1, 0);
    each_arc([&](NodeId from, NodeId, std::uint32_t) { ++arc_at_[from + 1]; });
    for (NodeId node = 0; node < nodes(); ++node) arc_at_[node + 1] += arc_at_[node];
    arcs_.resize(arc_at_[nodes()]);
    std::vector<std::uint32_t> place(arc_at_.begin(), arc_at_.end() - 1);
    each_arc([&](NodeId from, NodeId to, std::uint32_t pip) {
        const float steps = std::round(arc_delay(classes_[pip_class_[pip]], to) / kArcStep);
        arcs_[place[from]++] = Arc{to, static_cast<std::uint32_t>(std::clamp(steps, 1.f, 1023.f)) & 1023u};
    });
}

TileId Device::find_tile(std::string_view name) const {
    const auto found = tile_by_name_.find(name);
    return found == tile_by_name_.end() ? kNone : found->second;
}

SiteId Device::find_site(std::string_view name) const {
    const auto found = site_by_name_.find(name);
    return found == site_by_name_.end() ? kNone : found->second;
}

Span<Pin> Device::pins(SiteId site) const {
    const std::uint32_t first = kind_site_pin_[site_kind_[site]];
    return {pins_.begin() + first, kind_site_pin_[site_kind_[site] + 1] - first};
}

const Pin* Device::find_pin(SiteId site, std::string_view name) const {
    const Span<Pin> all = pins(site);
    const auto found = std::lower_bound(all.begin(), all.end(), name,
                                        [&](const Pin& pin, std::string_view other) { return text(pin.name) < other; });
    return found != all.end() && text(found->name) == name ? found : nullptr;
}

NodeId Device::pin_node(SiteId site, std::string_view name) const {
    const Pin* pin = find_pin(site, name);
    if (!pin) {
        throw Error("site " + std::string(site_name(site)) + " (" + std::string(site_type(site)) + ") has no pin " +
                    std::string(name));
    }
    return pin_node(site, *pin);
}

NodeId Device::find_node(std::string_view tile_text, std::string_view wire) const {
    const TileId tile = find_tile(tile_text);
    if (tile == kNone) return kNone;
    const std::uint32_t kind = tile_kind_[tile];
    for (std::uint32_t n = kind_wire_[kind]; n < kind_wire_[kind + 1]; ++n) {
        if (text(wire_name_[n]) == wire) return node_of(tile, n - kind_wire_[kind]);
    }
    return kNone;
}

std::string Device::node_name(NodeId node) const {
    const std::uint32_t member = node_wire_at_[node];
    const TileId tile = node_tile_[member];
    const std::uint32_t wire = kind_wire_[tile_kind_[tile]] + node_wire_[member] - tile_wire_[tile];
    return std::string(tile_name(tile)) + "/" + std::string(text(wire_name_[wire]));
}

PipId Device::find_pip(NodeId from, NodeId to) const {
    PipId found{0, 0, 0, 1};
    switches(from, out_at_, out_, [&](PipId pip) {
        if (found.unused && pip_to(pip) == to) found = pip;
    });
    if (found.unused) throw Error("no switch leads from " + node_name(from) + " to " + node_name(to));
    return found;
}

NodeId Device::pip_from(PipId pip) const {
    const std::uint32_t index = pip_index(pip);
    return node_of(pip.tile, pip.reverse ? pip_target_[index] : pip_source_[index]);
}

NodeId Device::pip_to(PipId pip) const {
    const std::uint32_t index = pip_index(pip);
    return node_of(pip.tile, pip.reverse ? pip_source_[index] : pip_target_[index]);
}

std::string Device::pip_name(PipId pip) const {
    const std::uint32_t index = pip_index(pip), first = kind_wire_[tile_kind_[pip.tile]];
    std::string source(text(wire_name_[first + pip_source_[index]]));
    std::string target(text(wire_name_[first + pip_target_[index]]));
    if (pip.reverse) source.swap(target);
    return std::string(tile_name(pip.tile)) + "." + target + "." + source;
}

}  // namespace pnr
