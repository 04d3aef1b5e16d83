#include "fabric.h"

#include <algorithm>
#include <map>
#include <queue>
#include <string>

namespace pnr {
namespace {

// X and Y of a site's name, "SLICE_X10Y39".
std::pair<int, int> name_place(std::string_view name) {
    const std::size_t x = name.rfind('X'), y = name.rfind('Y');
    return {std::stoi(std::string(name.substr(x + 1, y - x - 1))), std::stoi(std::string(name.substr(y + 1)))};
}

void link_columns(std::vector<Place>& places, const Device& device) {
    std::map<std::pair<int, int>, std::int32_t> at;
    for (std::size_t n = 0; n < places.size(); ++n)
        at[name_place(device.site_name(places[n].site))] = static_cast<std::int32_t>(n);
    for (const auto& [place, n] : at) {
        const auto above = at.find({place.first, place.second + 1});
        places[n].above = above == at.end() ? -1 : above->second;
    }
}

// The first global clock buffer; the processing system's FCLKs reach it.
constexpr std::string_view kClockBuffer = "BUFGCTRL_X0Y16";

}  // namespace

Fabric::Fabric(const Device& device) : device_(device) {
    for (SiteId site = 0; site < device.sites(); ++site) {
        const std::string_view type = device.site_type(site);
        const TileId tile = device.site_tile(site);
        const Place place{site, {static_cast<std::int16_t>(device.column(tile)), static_cast<std::int16_t>(device.row(tile))},
                          type == "SLICEM", -1};
        if (type == "SLICEL" || type == "SLICEM") slices_.push_back(place);
        else if (type == "RAMBFIFO36E1") rams_.push_back(place);
        else if (type == "DSP48E1") dsps_.push_back(place);
        else if (type == "PS7") processor_ = site;
        else if (device.site_name(site) == kClockBuffer) clock_buffer_ = site;
    }
    link_columns(slices_, device);
    link_columns(dsps_, device);
    index_columns();
}

void Fabric::index_columns() {
    for (const Place& place : slices_) columns_.push_back(place.at.x), rows_ = std::max(rows_, place.at.y + 1);
    std::sort(columns_.begin(), columns_.end());
    columns_.erase(std::unique(columns_.begin(), columns_.end()), columns_.end());
    std::vector<std::vector<std::int32_t>> tiles(columns_.size() * rows_);
    for (std::size_t n = 0; n < slices_.size(); ++n)
        tiles[column_near(slices_[n].at.x) * rows_ + slices_[n].at.y].push_back(static_cast<std::int32_t>(n));
    tile_first_.push_back(0);
    for (const auto& tile : tiles) {
        by_tile_.insert(by_tile_.end(), tile.begin(), tile.end());
        tile_first_.push_back(static_cast<std::int32_t>(by_tile_.size()));
    }
}

std::size_t Fabric::column_near(int x) const {
    const auto right = std::lower_bound(columns_.begin(), columns_.end(), x);
    if (right == columns_.end()) return columns_.size() - 1;
    if (right == columns_.begin() || *right - x <= x - *(right - 1)) return right - columns_.begin();
    return right - columns_.begin() - 1;
}

Point Fabric::pin_place(NodeId node, bool output) const {
    std::vector<NodeId> front{node};
    for (int depth = 0; depth < 6 && !front.empty(); ++depth) {
        std::vector<NodeId> next;
        for (NodeId at : front) {
            TileId found = kNone;
            const auto look = [&](PipId pip, NodeId on) {
                if (device_.tile_kind(pip.tile).substr(0, 4) == "INT_" && device_.tile_kind(pip.tile).size() == 5) found = pip.tile;
                next.push_back(on);
            };
            if (output)
                for (const Arc& arc : device_.arcs(at)) look(device_.find_pip(at, arc.node), arc.node);
            else
                device_.drivers(at, look);
            if (found != kNone)
                return {static_cast<std::int16_t>(device_.column(found)), static_cast<std::int16_t>(device_.row(found))};
        }
        front = std::move(next);
    }
    throw Error("no switch box leads to " + device_.node_name(node));
}

DelayTable::DelayTable(const Fabric& fabric)
    : columns_(1 + fabric.columns().back()), rows_(fabric.rows()), delay_(static_cast<std::size_t>(columns_) * rows_) {
    std::vector<float> sum(delay_.size(), 0);
    std::vector<int> count(delay_.size(), 0);
    const auto& slices = fabric.slices();
    // From three places apart, since each sees only some distances.
    for (const auto& [x, y] : {std::pair{0.55, 0.05}, {0.2, 0.5}, {0.95, 0.9}}) {
        const std::size_t column = fabric.column_near(static_cast<int>(x * columns_));
        const Span<std::int32_t> here = fabric.slices_at(column, static_cast<int>(y * rows_));
        if (!here.empty()) measure(fabric, slices[here[0]], sum, count);
    }
    fill(sum, count);
}

// The shortest ways from a flip-flop's output to the inputs of all LUTs.
void DelayTable::measure(const Fabric& fabric, const Place& from, std::vector<float>& sum, std::vector<int>& count) const {
    const Device& device = fabric.device();
    std::vector<std::uint32_t> best(device.nodes(), ~0u);
    using Step = std::pair<std::uint32_t, NodeId>;
    std::priority_queue<Step, std::vector<Step>, std::greater<>> open;
    const NodeId start = device.pin_node(from.site, "AQ");
    best[start] = 0;
    open.push({0, start});
    while (!open.empty()) {
        const auto [delay, node] = open.top();
        open.pop();
        if (delay > best[node]) continue;
        for (const Arc& arc : device.arcs(node)) {
            if (device.dedicated(arc.node)) continue;
            if (delay + arc.delay < best[arc.node]) open.push({best[arc.node] = delay + arc.delay, arc.node});
        }
    }
    for (const Place& place : fabric.slices()) {
        std::uint32_t least = ~0u;
        for (const char* pin : {"A3", "B4", "C5", "D6"}) least = std::min(least, best[device.pin_node(place.site, pin)]);
        if (least == ~0u || place.site == from.site) continue;
        const std::size_t at = std::abs(place.at.x - from.at.x) * rows_ + std::abs(place.at.y - from.at.y);
        sum[at] += kArcStep * static_cast<float>(least);
        ++count[at];
    }
}

// What was not measured is taken from the nearest shorter distance, so the table grows outward everywhere.
void DelayTable::fill(const std::vector<float>& sum, const std::vector<int>& count) {
    for (int x = 0; x < columns_; ++x)
        for (int y = 0; y < rows_; ++y) {
            const std::size_t at = static_cast<std::size_t>(x) * rows_ + y;
            const float left = x ? delay_[at - rows_] : 0, below = y ? delay_[at - 1] : 0;
            delay_[at] = count[at] ? sum[at] / static_cast<float>(count[at]) : std::max(left, below);
        }
}

}  // namespace pnr
