#include "spread.h"

#include <algorithm>
#include <cmath>

namespace pnr {
namespace {

// How full a region may become, so that letters, chains and control sets still find places in it.
constexpr float kFullest = 0.93f;

}  // namespace

Spreader::Spreader(const Fabric& fabric, std::vector<float> area)
    : fabric_(fabric), area_(std::move(area)), columns_(static_cast<int>(fabric.columns().size())), rows_(fabric.rows()) {
    sums_.assign(static_cast<std::size_t>(columns_ + 1) * (rows_ + 1), 0);
    const auto at = [&](int x, int y) -> float& { return sums_[static_cast<std::size_t>(x) * (rows_ + 1) + y]; };
    for (int x = 0; x < columns_; ++x)
        for (int y = 0; y < rows_; ++y)
            at(x + 1, y + 1) = at(x, y + 1) + at(x + 1, y) - at(x, y) +
                               4 * static_cast<float>(fabric.slices_at(static_cast<std::size_t>(x), y).size());
}

float Spreader::capacity(const Region& r) const {
    const auto at = [&](int x, int y) { return sums_[static_cast<std::size_t>(x) * (rows_ + 1) + y]; };
    return kFullest * (at(r.x1, r.y1) - at(r.x0, r.y1) - at(r.x1, r.y0) + at(r.x0, r.y0));
}

// The smallest region around the middle of all objects that can hold them.
Spreader::Region Spreader::smallest(const std::vector<Wish>& at) const {
    double x = 0, y = 0, total = 0;
    for (std::size_t n = 0; n < area_.size(); ++n) x += area_[n] * at[n].x, y += area_[n] * at[n].y, total += area_[n];
    const int column = static_cast<int>(fabric_.column_near(static_cast<int>(x / std::max(total, 1.0))));
    const int row = static_cast<int>(y / std::max(total, 1.0));
    for (int reach = 2;; ++reach) {
        const int across = reach / 2;
        const Region region{std::max(0, column - across), std::max(0, row - reach), std::min(columns_, column + across + 1),
                            std::min(rows_, row + reach + 1)};
        if (capacity(region) > 1.1f * static_cast<float>(total) + 40 || reach > 2 * (columns_ + rows_)) return region;
    }
}

void Spreader::spread(std::vector<Wish>& at) const {
    std::vector<std::int32_t> objects;
    for (std::size_t n = 0; n < area_.size(); ++n)
        if (area_[n] > 0) objects.push_back(static_cast<std::int32_t>(n));
    divide(smallest(at), objects, at, 0);
}

void Spreader::settle(const Region& region, const std::vector<std::int32_t>& objects, std::vector<Wish>& at) const {
    const float left = fabric_.columns()[region.x0], right = fabric_.columns()[region.x1 - 1];
    for (std::int32_t n : objects) {
        at[n].x = std::clamp(at[n].x, left, right);
        at[n].y = std::clamp(at[n].y, static_cast<float>(region.y0), static_cast<float>(region.y1 - 1));
    }
}

void Spreader::divide(const Region& region, std::vector<std::int32_t>& objects, std::vector<Wish>& at, int depth) const {
    const int width = region.x1 - region.x0, height = region.y1 - region.y0;
    if (objects.size() <= 1 || (width <= 1 && height <= 1) || depth > 24) return settle(region, objects, at);
    const bool upright = 2 * width > height;  // columns of slices are about two rows wide
    Region low = region, high = region;
    if (upright) low.x1 = high.x0 = region.x0 + width / 2;
    else low.y1 = high.y0 = region.y0 + height / 2;
    const float cut = upright ? 0.5f * static_cast<float>(fabric_.columns()[low.x1 - 1] + fabric_.columns()[high.x0])
                              : static_cast<float>(low.y1) - 0.5f;
    const auto key = [&](std::int32_t n) { return upright ? at[n].x : at[n].y; };
    std::stable_sort(objects.begin(), objects.end(), [&](auto a, auto b) { return key(a) < key(b); });
    double total = 0, below = 0;
    for (std::int32_t n : objects) total += area_[n], below += key(n) < cut ? area_[n] : 0;
    // Where both halves can hold what lies in them, nothing crosses the cut.
    const double room_low = capacity(low), room_high = capacity(high);
    double wanted = std::min(below, room_low);
    wanted = std::max(wanted, total - room_high);
    if (room_low + room_high < total) wanted = total * room_low / std::max(1.0, room_low + room_high);
    std::size_t split = 0;
    for (double sum = 0; split < objects.size() && sum + 0.5 * area_[objects[split]] < wanted; ++split)
        sum += area_[objects[split]];
    std::vector<std::int32_t> lower(objects.begin(), objects.begin() + static_cast<std::ptrdiff_t>(split));
    std::vector<std::int32_t> upper(objects.begin() + static_cast<std::ptrdiff_t>(split), objects.end());
    divide(low, lower, at, depth + 1);
    divide(high, upper, at, depth + 1);
}

}  // namespace pnr
