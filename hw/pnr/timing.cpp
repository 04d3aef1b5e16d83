#include "timing.h"

#include <algorithm>
#include <cstdio>
#include <limits>

#include "device.h"

namespace pnr {
namespace {

constexpr std::uint32_t kNoConnection = ~0u;

// Nanoseconds of the -1 speed grade.
constexpr float kLut = 0.124f;
constexpr float kFfLaunch = 0.456f, kFfSetup = 0.1f, kEnableSetup = 0.205f, kResetSetup = 0.429f;
constexpr float kLutMemoryLaunch = 1.63f, kLutMemorySetup = 0.53f;
constexpr float kRamLaunch = 2.454f, kRamRegisterLaunch = 0.882f, kRamSetup = 0.57f;
constexpr float kProcessorLaunch = 1.45f, kProcessorSetup = 0.8f;
// A DSP by the first register after an input, the last before an output; without one it is passed in kDspThrough.
constexpr float kDspThrough = 4.2f, kDspControlSetup = 0.5f;
constexpr float kDspOutputLaunch = 0.43f, kDspProductLaunch = 2.1f;
constexpr float kDspOwnSetup = 0.36f, kDspProductSetup = 2.7f, kDspOutputSetup = 3.9f;
constexpr float kDspAddOwnSetup = 0.2f, kDspAddOutputSetup = 1.6f, kDspAddThrough = 2.0f;
// A carry chain: selection or data to the sum of the same bit, of a later one, to a carry; carry in to the same.
constexpr float kSelectSum = 0.25f, kSelectLater = 0.46f, kSelectCarry = 0.42f, kCarryBit = 0.04f;
constexpr float kInSum = 0.30f, kInCarry = 0.117f, kStartMore = 0.36f;

bool starts_with(std::string_view text, const char* prefix) { return text.rfind(prefix, 0) == 0; }

bool clock_pin(std::string_view name) {
    return name == "C" || name == "CLK" || name == "WCLK" || starts_with(name, "CLKARD") || starts_with(name, "CLKBWR") ||
           starts_with(name, "REGCLK") || (name.size() > 4 && name.substr(name.size() - 4) == "ACLK");
}

int digit(std::string_view name) { return name.back() - '0'; }

}  // namespace

Timing::Timing(const Netlist& netlist) : netlist_(netlist) {
    first_.resize(netlist.nets());
    std::size_t count = 0;
    for (NetId net = 0; net < netlist.nets(); ++net) {
        first_[net] = count;
        if (!constant(net)) count += netlist.users(net).size();
    }
    wire_.assign(count, 0);
    slack_.assign(count, 0);
    pin_connection_.resize(netlist.cells().size());
    for (std::size_t cell = 0; cell < netlist.cells().size(); ++cell)
        pin_connection_[cell].assign(netlist.cells()[cell].pins.size(), kNoConnection);
    for (NetId net = kOne + 1; net < netlist.nets(); ++net)
        for (std::size_t k = 0; k < netlist.users(net).size(); ++k) {
            const PinRef ref = netlist.users(net)[k];
            pin_connection_[ref.cell][ref.pin] = static_cast<std::uint32_t>(first_[net] + k);
        }
    launch_.assign(netlist.nets(), -1);
    into_.resize(netlist.nets());
    for (current_ = 0; current_ < static_cast<CellId>(netlist.cells().size()); ++current_) add_cell(current_);
    sort();
}

void Timing::add_arc(NetId output, std::size_t pin, float delay) {
    const std::uint32_t connection = pin_connection_[current_][pin];
    if (connection == kNoConnection || output < 0) return;
    into_[output].push_back({connection, netlist_.cell(current_).pins[pin].net, delay});
}

void Timing::add_end(std::size_t pin, float setup) {
    const std::uint32_t connection = pin_connection_[current_][pin];
    if (connection != kNoConnection) ends_.push_back({connection, netlist_.cell(current_).pins[pin].net, setup});
}

void Timing::add_cell(CellId id) {
    const Cell& cell = netlist_.cell(id);
    if (cell.type == "CARRY4") return add_carry(cell);
    if (cell.type == "DSP48E1") return add_dsp(cell);
    const bool ff = starts_with(cell.type, "FD"), ram = cell.type == "RAMB36E1", processor = cell.type == "PS7";
    const bool memory = starts_with(cell.type, "RAM32") || starts_with(cell.type, "RAM64") || cell.type == "SRL16E";
    const bool registered = ram && cell.number("DOA_REG", 0) && cell.number("DOB_REG", 0);
    for (std::size_t pin = 0; pin < cell.pins.size(); ++pin) {
        const CellPin& about = cell.pins[pin];
        if (about.output) {
            if (ff) launch_[about.net] = kFfLaunch;
            if (memory) launch_[about.net] = kLutMemoryLaunch;
            if (ram) launch_[about.net] = registered ? kRamRegisterLaunch : kRamLaunch;
            if (processor && !starts_with(about.name, "FCLK")) launch_[about.net] = kProcessorLaunch;
        } else if (!clock_pin(about.name) && cell.type != "BUFG") {
            const bool address = memory && about.name[0] == 'A';
            if (ff) add_end(pin, about.name == "D" ? kFfSetup : about.name == "CE" ? kEnableSetup : kResetSetup);
            else if (ram) add_end(pin, kRamSetup);
            else if (processor) add_end(pin, kProcessorSetup);
            else if (memory && !address) add_end(pin, kLutMemorySetup);
            else if (memory && starts_with(about.name, "ADDRD")) add_end(pin, kLutMemorySetup);
            else
                for (const CellPin& out : cell.pins)
                    if (out.output && (!memory || about.name.size() < 5 || out.name.substr(2, 1) == about.name.substr(4, 1)))
                        add_arc(out.net, pin, kLut);
        }
    }
}

void Timing::add_carry(const Cell& cell) {
    for (std::size_t pin = 0; pin < cell.pins.size(); ++pin) {
        const std::string_view in = cell.pins[pin].name;
        if (cell.pins[pin].output) continue;
        const bool chain = in == "CI" || in == "CYINIT";
        const int from = chain ? 0 : digit(in);
        for (const CellPin& out : cell.pins) {
            if (!out.output) continue;
            const bool sum = out.name[0] == 'O';
            const int to = digit(out.name);
            if (to < from || (sum && to == from && starts_with(in, "DI"))) continue;
            float delay;
            if (chain) delay = (sum ? kInSum : kInCarry) + (in == "CI" ? 0 : kStartMore);
            else if (sum) delay = to == from ? kSelectSum : kSelectLater + kCarryBit * (to - from);
            else delay = kSelectCarry + kCarryBit * (to - from);
            add_arc(out.net, pin, delay);
        }
    }
}

void Timing::add_dsp(const Cell& cell) {
    const bool product = cell.number("MREG", 1), output = cell.number("PREG", 1);
    for (const CellPin& out : cell.pins)
        if (out.output && (product || output)) launch_[out.net] = output ? kDspOutputLaunch : kDspProductLaunch;
    for (std::size_t pin = 0; pin < cell.pins.size(); ++pin) {
        const CellPin& in = cell.pins[pin];
        if (in.output || clock_pin(in.name)) continue;
        const bool operand = in.name.size() <= 3 && in.name.find_first_of("0123456789") == 1;
        const bool cascade = starts_with(in.name, "PCIN");
        if (!operand && !cascade) {
            add_end(pin, kDspControlSetup);
            continue;
        }
        const bool added = cascade || in.name[0] == 'C';
        const bool own = !cascade && cell.number(std::string(1, in.name[0]) + "REG", 1);
        if (own) add_end(pin, added ? kDspAddOwnSetup : kDspOwnSetup);
        else if (!added && product) add_end(pin, kDspProductSetup);
        else if (output) add_end(pin, added ? kDspAddOutputSetup : kDspOutputSetup);
        else
            for (const CellPin& out : cell.pins)
                if (out.output) add_arc(out.net, pin, added ? kDspAddThrough : kDspThrough);
    }
}

void Timing::sort() {
    std::vector<std::vector<NetId>> next(netlist_.nets());
    std::vector<int> waiting(netlist_.nets(), 0);
    for (NetId net = 0; net < netlist_.nets(); ++net)
        for (const Arc& arc : into_[net]) next[arc.from].push_back(net), ++waiting[net];
    for (NetId net = 0; net < netlist_.nets(); ++net)
        if (!waiting[net]) order_.push_back(net);
    for (std::size_t n = 0; n < order_.size(); ++n)
        for (NetId to : next[order_[n]])
            if (!--waiting[to]) order_.push_back(to);
    if (order_.size() < static_cast<std::size_t>(netlist_.nets())) {
        const auto stuck = std::find_if(waiting.begin(), waiting.end(), [](int left) { return left > 0; });
        throw Error("the netlist has a loop of logic without a register, through " +
                    netlist_.net_name(static_cast<NetId>(stuck - waiting.begin())));
    }
}

void Timing::update() {
    constexpr float kNever = -1e9f;
    arrival_.assign(netlist_.nets(), kNever);
    for (NetId net : order_) {
        if (launch_[net] >= 0) arrival_[net] = launch_[net];
        for (const Arc& arc : into_[net])
            arrival_[net] = std::max(arrival_[net], arrival_[arc.from] + wire_[arc.connection] + arc.delay);
    }
    longest_ = 0;
    for (const End& end : ends_) longest_ = std::max(longest_, arrival_[end.from] + wire_[end.connection] + end.setup);
    required_.assign(netlist_.nets(), std::numeric_limits<float>::max());
    slack_.assign(wire_.size(), longest_);
    const auto need = [&](std::uint32_t connection, NetId from, float at) {
        slack_[connection] = std::min(slack_[connection], at - arrival_[from] - wire_[connection]);
        required_[from] = std::min(required_[from], at - wire_[connection]);
    };
    for (const End& end : ends_) need(end.connection, end.from, longest_ - end.setup);
    for (auto net = order_.rbegin(); net != order_.rend(); ++net)
        for (const Arc& arc : into_[*net]) need(arc.connection, arc.from, required_[*net] - arc.delay);
}

float Timing::criticality(std::size_t connection) const {
    if (longest_ <= 0) return 0;
    return std::min(1.f, std::max(0.f, 1 - slack_[connection] / longest_));
}

std::string Timing::report() const {
    const End* last = nullptr;
    for (const End& end : ends_)
        if (!last || arrival_[end.from] + wire_[end.connection] + end.setup >
                         arrival_[last->from] + wire_[last->connection] + last->setup)
            last = &end;
    if (!last) return "no path\n";
    std::string text;
    char line[64];
    NetId net = last->from;
    float wire = wire_[last->connection];
    std::snprintf(line, sizeof line, "%8.3f  setup\n", last->setup);
    text = line;
    while (true) {
        std::snprintf(line, sizeof line, "%8.3f  wire, then\n", wire);
        text = line + text;
        const Arc* before = nullptr;
        for (const Arc& arc : into_[net])
            if (arrival_[arc.from] + wire_[arc.connection] + arc.delay >= arrival_[net] - 1e-4f) before = &arc;
        std::snprintf(line, sizeof line, "%8.3f  ", before ? before->delay : launch_[net]);
        text = line + netlist_.net_name(net) + "\n" + text;
        if (!before) return text;
        wire = wire_[before->connection];
        net = before->from;
    }
}

}  // namespace pnr
