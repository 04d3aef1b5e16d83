// Arrival and required times over the netlist, with cell delays of the -1 speed grade and wire delays as given.
#pragma once

#include <vector>

#include "netlist.h"

namespace pnr {

// Connections are numbered over all nets: connection(net, k) is the net's k-th user.
class Timing {
public:
    explicit Timing(const Netlist& netlist);

    std::size_t connections() const { return wire_.size(); }
    std::size_t connection(NetId net, std::size_t user) const { return first_[net] + user; }

    // Delay (ns) of each connection, to be set before update().
    std::vector<float>& wire() { return wire_; }
    void update();

    // The longest path with its setup, in ns.
    float longest() const { return longest_; }
    // 1 on the longest path, 0 for what has a whole longest path of time left.
    float criticality(std::size_t connection) const;
    // What the longest path through a connection has left of the longest of all, in ns.
    float slack(std::size_t connection) const { return slack_[connection]; }
    // The longest path, one line a step.
    std::string report() const;

private:
    struct Arc {
        std::uint32_t connection;
        NetId from;
        float delay;
    };
    struct End {
        std::uint32_t connection;
        NetId from;
        float setup;
    };

    void add_cell(CellId id);
    void add_carry(const Cell& cell);
    void add_dsp(const Cell& cell);
    void add_arc(NetId output, std::size_t pin, float delay);
    void add_end(std::size_t pin, float setup);
    void sort();

    const Netlist& netlist_;
    std::vector<std::size_t> first_;
    std::vector<std::vector<std::uint32_t>> pin_connection_;  // by cell and pin; kNoConnection where it is none
    std::vector<float> wire_, slack_;
    std::vector<float> launch_;              // by net; below 0: nothing starts here
    std::vector<std::vector<Arc>> into_;     // by output net
    std::vector<End> ends_;
    std::vector<NetId> order_;               // nets, each after those it depends on
    std::vector<float> arrival_, required_;
    float longest_ = 0;
    CellId current_ = kNothing;
};

}  // namespace pnr
