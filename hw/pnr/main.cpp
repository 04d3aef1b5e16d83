// Place and route for xc7z020: from the netlist's cells to features of the configuration.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <string>

#include "assemble.h"
#include "emit.h"
#include "place.h"
#include "router.h"

namespace {

using namespace pnr;

constexpr const char* kUsage =
    "pnr --device FILE --cells FILE --features FILE --report FILE [--clock MHZ] [--seed N] [--effort F]\n"
    "    [--demands -]\n"
    "  --device    the device, as flows/device/export.py writes it\n"
    "  --cells     the netlist, as flows/cells.py writes it\n"
    "  --features  result: a feature of the configuration a line\n"
    "  --report    result: use of the device, and the longest path\n"
    "  --clock     MHz to aim for (125)\n"
    "  --seed      of the placement (1); the same seed gives the same result\n"
    "  --effort    moves of the placement, relative (1)\n"
    "  --demands   -: once the results are written, reads from standard input which connections must be longer, lines\n"
    "              TILE/WIRE NS and then \"route\", and writes the results again, until the input ends\n";

struct Arguments {
    std::map<std::string, std::string> values{{"--clock", "125"}, {"--seed", "1"}, {"--effort", "1"}};

    Arguments(int count, char** words) {
        for (int n = 1; n + 1 < count; n += 2) values[words[n]] = words[n + 1];
        if (count % 2 == 0) throw Error(std::string("an option without a value\n") + kUsage);
        for (const auto& [name, value] : values)
            if (std::string(kUsage).find(name + " ") == std::string::npos)
                throw Error("there is no option " + name + "\n" + kUsage);
        for (const char* name : {"--device", "--cells", "--features", "--report"})
            if (!values.count(name)) throw Error(std::string(name) + " is missing\n" + kUsage);
        if (values.count("--demands") && values.at("--demands") != "-")
            throw Error("--demands " + values.at("--demands") + ": only -, standard input, fits");
    }
    double number(const std::string& name) const {
        char* end = nullptr;
        const double value = std::strtod(values.at(name).c_str(), &end);
        if (*end || !(value > 0)) throw Error(name + " " + values.at(name) + " is no positive number");
        return value;
    }
};

void say(const char* step, double done, const std::string& line) {
    std::printf("%-6s %3.0f %%  %s\n", step, 100 * done, line.c_str());
    std::fflush(stdout);
}

// Criticalities for the router from the delays that it has reached.
class Clock {
public:
    Clock(const Assembly& assembly, Timing& timing, double period) : assembly_(assembly), timing_(timing), period_(period) {}

    float operator()(std::vector<Net>& nets, const std::vector<Route>& routes) {
        std::fill(timing_.wire().begin(), timing_.wire().end(), 0.f);
        for (const Routed& one : assembly_.connections)
            if (static_cast<std::size_t>(one.sink) < routes[one.net].delays.size()) {
                float& wire = timing_.wire()[one.connection];
                wire = std::max(wire, routes[one.net].delays[one.sink].slow_max);
            }
        timing_.update();
        for (const Routed& one : assembly_.connections) nets[one.net].sinks[one.sink].criticality = 0;
        for (const Routed& one : assembly_.connections) {
            float& criticality = nets[one.net].sinks[one.sink].criticality;
            criticality = std::max(criticality, timing_.criticality(one.connection));
        }
        return static_cast<float>(period_) - timing_.longest();
    }

private:
    const Assembly& assembly_;
    Timing& timing_;
    double period_;
};

void write(const std::string& path, const std::string& text) {
    std::ofstream file(path);
    if (!(file << text).flush()) throw Error(path + " cannot be written");
}

void write_results(const Arguments& arguments, const Fabric& fabric, const Design& design, const Assembly& assembly,
                   const Timing& timing, const std::vector<Route>& routes) {
    std::string lines;
    for (const std::string& line : features(design, fabric, assembly, routes)) lines += line + "\n";
    write(arguments.values.at("--features"), lines);
    const double period = 1000 / arguments.number("--clock");
    char verdict[160];
    std::snprintf(verdict, sizeof verdict, "slices %zu\nperiod_ns %.3f\nlongest_ns %.3f\nslack_ns %.3f\n",
                  assembly.slices.size(), period, timing.longest(), period - timing.longest());
    write(arguments.values.at("--report"), verdict + timing.report());
    say("done", 1, "longest path " + std::to_string(timing.longest()) + " ns");
}

void route_and_write(const Arguments& arguments, const Fabric& fabric, const Design& design, Assembly& assembly,
                     Timing& timing) {
    Clock clock(assembly, timing, 1000 / arguments.number("--clock"));
    const Options options;
    const Progress progress = [](double done, const std::string& line) { say("route", done, line); };
    const TimingHook hook = [&](std::vector<Net>& nets, const std::vector<Route>& now) { return clock(nets, now); };
    Router router(fabric.device(), assembly.nets, options, progress, hook);
    router.run();
    write_results(arguments, fabric, design, assembly, timing, router.result());
    if (!arguments.values.count("--demands")) return;
    std::vector<Demand> demands;
    while (read_demands(std::cin, fabric.device(), demands)) {
        const std::size_t count = router.require(demands);
        say("hold", 0, std::to_string(demands.size()) + " demands for " + std::to_string(count) + " connections");
        router.lengthen_all();
        write_results(arguments, fabric, design, assembly, timing, router.result());
    }
}

void run(const Arguments& arguments) {
    const Device device(arguments.values.at("--device"));
    const Netlist netlist(arguments.values.at("--cells"));
    const Design design = pack(netlist);
    say("pack", 1, summary(design));
    const Fabric fabric(device);
    const DelayTable delays(fabric);
    Timing timing(netlist);
    PlaceOptions options;
    options.seed = static_cast<std::uint64_t>(arguments.number("--seed"));
    options.effort = arguments.number("--effort");
    const Placement placement = place(design, fabric, delays, timing, options,
                                      [](double done, const std::string& line) { say("place", done, line); });
    Assembly assembly = assemble(design, fabric, placement, timing);
    for (const Routed& one : assembly.connections) {  // first guesses: those of the placement
        float& criticality = assembly.nets[one.net].sinks[one.sink].criticality;
        criticality = std::max(criticality, timing.criticality(one.connection));
    }
    route_and_write(arguments, fabric, design, assembly, timing);
}

}  // namespace

int main(int count, char** words) {
    try {
        run(Arguments(count, words));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "pnr: %s\n", error.what());
        return 1;
    }
    return 0;
}
