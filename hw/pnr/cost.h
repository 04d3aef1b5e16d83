// What a placement costs: the length of its nets, and delays weighted by how critical they are.
#pragma once

#include <cstdint>
#include <vector>

#include "fabric.h"
#include "pack.h"
#include "timing.h"

namespace pnr {

// Everything that has a place, by number: atoms, macros, RAMs, columns of DSPs, and what stands still.
struct Objects {
    explicit Objects(const Design& design);
    std::int32_t macros, rams, dsps, fixed, count;  // the first of each kind
};

struct Shift {
    std::int32_t object;
    Point from, to;
};

class Cost {
public:
    Cost(const Design& design, const Fabric& fabric, const DelayTable& delays, Timing& timing);

    const Objects& objects() const { return objects_; }
    Point at(std::int32_t object) const { return at_[object]; }
    void set(std::int32_t object, Point place) { at_[object] = place; }

    // All costs from the places as they are; `sharpness` is the power of criticality that weighs a delay.
    void restart(float sharpness);
    double wires() const { return wires_; }
    double delays() const { return delays_; }
    double crowding() const;

    // What the shifts would change, as a part of the whole cost; then keep() or undo().
    double change(const std::vector<Shift>& shifts);
    void keep();
    void undo();

    // The nets of an object and the box around the pins of a net.
    Span<std::int32_t> nets_of(std::int32_t object) const;
    Box box(std::int32_t net) const { return net_box_[net]; }
    std::int32_t nets() const { return static_cast<std::int32_t>(net_first_.size()) - 1; }
    // Pins of a net, its driver first.
    struct NetPin {
        std::int32_t object;
        Point offset;
        std::int32_t net, connection;  // connection of Timing, -1: the driver, or one without wire
    };
    Span<NetPin> pins(std::int32_t net) const {
        return {pins_.data() + net_first_[net], static_cast<std::size_t>(net_first_[net + 1] - net_first_[net])};
    }

private:
    NetPin locate(PinRef ref, const Fabric& fabric, const std::vector<std::int32_t>& hard) const;
    void build_nets(const Fabric& fabric, const Timing& timing);
    void index_objects();
    Point pin_at(const NetPin& pin) const {
        const Point base = at_[pin.object];
        return {static_cast<std::int16_t>(base.x + pin.offset.x), static_cast<std::int16_t>(base.y + pin.offset.y)};
    }
    Box measure(std::int32_t net) const;
    float length(std::int32_t net, const Box& box) const {
        return net_weight_[net] * static_cast<float>(box.x1 - box.x0 + box.y1 - box.y0);
    }
    void touch(const Shift& shift);
    void count_loads();
    void move_load(const Shift& shift);
    void add_load(Point at, int load);
    static float crowding(int load);
    void retime(std::int32_t pin);

    const Design& design_;
    const DelayTable& delay_table_;
    Timing& timing_;
    Objects objects_;
    std::vector<Point> at_;
    std::vector<NetPin> pins_;
    std::vector<std::int32_t> net_first_, object_first_, object_pins_, object_net_first_, object_nets_;
    std::vector<Box> net_box_;
    std::vector<float> net_weight_, pin_weight_, pin_cost_;
    // Input pins in each tile, and those of each object (of a macro in each of its slices).
    int rows_;
    std::vector<std::int16_t> tile_load_, object_load_;
    std::vector<std::vector<std::int16_t>> macro_load_;
    double wires_ = 0, delays_ = 0, change_crowding_ = 0;
    // The change under way.
    std::vector<Shift> shifts_;
    std::vector<std::int32_t> touched_nets_;
    std::vector<Box> touched_boxes_;
    std::vector<std::int32_t> touched_pins_;
    std::vector<float> touched_costs_;
    std::vector<std::uint32_t> net_mark_, driver_mark_;
    std::uint32_t mark_ = 0;
    double change_wires_ = 0, change_delays_ = 0;
};

}  // namespace pnr
