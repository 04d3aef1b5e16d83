// Changes of finished routing that can be undone.
#pragma once

#include <algorithm>
#include <string>
#include <unordered_set>

#include "router.h"

namespace pnr {

// What is undone when a change turns out for the worse: nets as they were before it.
class Router::Change {
public:
    explicit Change(Router& router) : router_(router) {}

    // Before a net is changed for the first time.
    void remember(std::uint32_t net) {
        const auto known = [&](const Saved& saved) { return saved.net == net; };
        if (std::any_of(saved_.begin(), saved_.end(), known)) return;
        saved_.push_back({net, router_.wirings_[net], router_.routes_[net]});
    }
    void undo() {
        for (const Saved& saved : saved_) router_.set_usage(saved.net, false);
        for (Saved& saved : saved_) {
            router_.wirings_[saved.net] = std::move(saved.wiring);
            router_.routes_[saved.net] = std::move(saved.route);
        }
        for (const Saved& saved : saved_) router_.set_usage(saved.net, true);
        saved_.clear();
    }
    // Whether the nets' delays are better together than before, and no more of them too short for hold.
    bool is_better() const {
        float before = 0, now = 0;
        std::size_t short_before = 0, short_now = 0;
        for (const Saved& saved : saved_) {
            before += router_.badness(saved.net, saved.route);
            now += router_.badness(saved.net, router_.routes_[saved.net]);
            short_before += router_.short_count(saved.net, saved.route);
            short_now += router_.short_count(saved.net, router_.routes_[saved.net]);
        }
        return now < before - 1e-4f && short_now <= short_before;
    }
    // Takes over what another change remembers, keeping the older of two memories.
    void join(Change&& later) {
        for (Saved& saved : later.saved_) {
            const bool known = !seen_.insert(saved.net).second;
            if (!known) saved_.push_back(std::move(saved));
        }
    }
    std::vector<std::uint32_t> nets() const {
        std::vector<std::uint32_t> result;
        for (const Saved& saved : saved_) result.push_back(saved.net);
        return result;
    }

private:
    struct Saved {
        std::uint32_t net;
        Wiring wiring;
        Route route;
    };
    Router& router_;
    std::vector<Saved> saved_;
    std::unordered_set<std::uint32_t> seen_;  // of those that were joined
};

// A progress line of a pass over connections.
std::string pass_line(const char* what, int pass, double count, double slack);

}  // namespace pnr
