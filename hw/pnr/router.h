// The router's inside: state, search and the nets' wirings, and the steps that route() takes one after the other.
#pragma once

#include <utility>

#include "demands.h"
#include "route.h"
#include "search.h"

namespace pnr {

class Router {
public:
    Router(const Device& device, std::vector<Net>& nets, const Options& options, const Progress& progress,
           const TimingHook& timing);

    void run();                // all of the steps below
    void lengthen_all();       // connections that are too short for hold, and what that has made late
    // Raises `required_min` of the sinks on these pins, from the delays that they have now. Returns how many there are.
    std::size_t require(const std::vector<Demand>& demands);
    const std::vector<Route>& result();

private:
    void route_fixed();       // constants and clocks, which then stay
    void negotiate();         // signals, until no wire has two nets
    void improve_timing(double from, double to);  // the worst connections again, over wires that are free or can be
    bool lengthen();          // connections that are too short for hold; whether there were any
    bool is_signal(std::uint32_t net) const { return nets_[net].kind == Kind::signal; }
    void check_and_reserve();
    void order_nets();
    std::vector<NodeId> tie_offs(Kind kind) const;
    Terms terms(std::uint32_t net, const Sink& sink) const;
    bool route_open_sinks(std::uint32_t net, const Terms* given = nullptr);
    std::size_t drop_contested(std::uint32_t net);
    std::size_t raise_history();
    void update_delays(std::uint32_t net);
    float update_timing();
    [[noreturn]] void fail_contested() const;
    [[noreturn]] void fail_unreachable(std::uint32_t net, std::size_t sink) const;

    // improve.cpp
    class Change;
    struct Candidate {
        std::uint32_t net, sink;
        float weight;
    };
    std::vector<Candidate> worst_sinks() const;
    float badness(std::uint32_t net, const Route& route) const;
    bool reroute(const Candidate& candidate, const Terms& asked, Change& pass);
    bool reroute_sink(const Candidate& candidate, const Terms& asked, Change& change);
    void set_usage(std::uint32_t net, bool used);
    void mark_user(std::uint32_t net);

    // lengthen.cpp
    std::vector<Candidate> short_sinks() const;
    bool too_short(std::uint32_t net, std::uint32_t sink, const Route& route) const;
    std::size_t short_count(std::uint32_t net, const Route& route) const;
    bool lengthen_sink(std::uint32_t net, std::uint32_t sink);
    bool route_over(std::uint32_t net, std::uint32_t sink, NodeId via, NodeId pin);
    std::vector<NodeId> detours(std::uint32_t net, std::uint32_t sink) const;
    void index_free_nodes();

    const Device& device_;
    std::vector<Net>& nets_;
    const Options& options_;
    const Progress& progress_;
    const TimingHook& timing_;
    State state_;
    Lookahead lookahead_;
    Search search_;
    std::vector<Wiring> wirings_;
    std::vector<Route> routes_;
    std::vector<std::uint32_t> order_;   // signals in the order of routing
    std::vector<Terms> boxes_;           // by net: the columns and rows of its pins
    std::vector<std::uint32_t> user_;    // by node: the net on it, once no wire is contested any more
    std::vector<std::pair<std::uint32_t, NodeId>> places_;  // free nodes by place (row * 256 + column)
    float pressure_ = 0;
    int margin_ = 0;
    float sharpest_ = 0;                 // the largest share of delay in a price
};

}  // namespace pnr
