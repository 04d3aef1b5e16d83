// The router on nets from a text, for test_pnr_route.py: pnr_route DEVICE NETS [ROUNDS [HOLD_MARGIN [PERIOD]]].
//
// With a period, each connection is a path of its own: its slack is the period less its slow delay.
// NETS: "net KIND NAME", then "from SITE PIN" and "to CRITICALITY REQUIRED_MIN SITE PIN...". Result: "net NAME", then
// "pip FEATURE" and "sink PIN's NODE, its four delays in ns".
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "route.h"

using namespace pnr;

static NodeId node_of(const Device& device, const std::string& site, const std::string& pin) {
    const SiteId found = device.find_site(site);
    if (found == kNone) throw Error("there is no site " + site);
    return device.pin_node(found, pin);
}

static std::vector<Net> read(const Device& device, const char* path) {
    const std::map<std::string, Kind> kinds{
        {"signal", Kind::signal}, {"clock", Kind::clock}, {"ground", Kind::ground}, {"supply", Kind::supply}};
    std::vector<Net> nets;
    std::ifstream file(path);
    for (std::string text; std::getline(file, text);) {
        std::istringstream line(text);
        std::string word, site, pin;
        line >> word;
        if (word == "net") {
            nets.emplace_back();
            line >> word >> nets.back().name;
            nets.back().kind = kinds.at(word);
        } else if (word == "from") {
            line >> site >> pin;
            nets.back().sources.push_back(node_of(device, site, pin));
        } else {
            Sink sink;
            line >> sink.criticality >> sink.required_min >> site;
            while (line >> pin) sink.pins.push_back(node_of(device, site, pin));
            nets.back().sinks.push_back(sink);
        }
    }
    return nets;
}

static float slack(std::vector<Net>& nets, const std::vector<Route>& routes, float period) {
    float worst = 0;
    for (const Route& route : routes) {
        for (const Delay& delay : route.delays) worst = std::max(worst, delay.slow_max);
    }
    for (std::size_t net = 0; net < nets.size(); ++net) {
        for (std::size_t sink = 0; sink < nets[net].sinks.size(); ++sink) {
            nets[net].sinks[sink].criticality = routes[net].delays[sink].slow_max / worst;
        }
    }
    return period - worst;
}

int main(int count, char** words) {
    try {
        const Device device(words[1]);
        std::vector<Net> nets = read(device, words[2]);
        Options options;
        if (count > 3) options.rounds = std::atoi(words[3]);
        if (count > 4) options.hold_margin = std::strtof(words[4], nullptr);
        TimingHook timing;
        if (count > 5) {
            timing = [period = std::strtof(words[5], nullptr)](auto& all, const auto& routed) {
                return slack(all, routed, period);
            };
        }
        const Progress progress = [](double done, const std::string& line) {
            std::fprintf(stderr, "%3.0f %% %s\n", 100 * done, line.c_str());
        };
        const auto routes = route(device, nets, options, progress, timing);
        for (std::size_t net = 0; net < nets.size(); ++net) {
            std::printf("net %s\n", nets[net].name.c_str());
            for (const RoutedPip& pip : routes[net].pips) std::printf("pip %s\n", device.pip_name(pip.pip).c_str());
            for (std::size_t sink = 0; sink < nets[net].sinks.size(); ++sink) {
                const Delay& delay = routes[net].delays[sink];
                std::printf("sink %s %.6f %.6f %.6f %.6f\n", device.node_name(routes[net].pins[sink]).c_str(),
                            delay.fast_min, delay.fast_max, delay.slow_min, delay.slow_max);
            }
        }
    } catch (const Error& error) {
        std::fprintf(stderr, "pnr_route: %s\n", error.what());
        return 1;
    }
    return 0;
}
