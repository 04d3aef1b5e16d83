#include "simulator.h"

#include <cstdarg>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>

#include "Vsim.h"
#include "axi_checks.h"
#include "axi_memory.h"
#include "hooks.h"
#include "lite_master.h"
#include "verilated.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#endif

namespace {

thread_local bnn_sim* current = nullptr;  // whose model is being evaluated: Verilator's hooks do not say

struct ModelEnd : std::exception {  // thrown out of a model that must not go on
    const char* what() const noexcept override { return "the model ended"; }
};

constexpr size_t kMessagesKept = 1 << 16;

}  // namespace

struct bnn_sim {
    bnn_sim(uint64_t seed, const char* trace_path);
    ~bnn_sim();

    void cycle(bool in_reset = false);
    void message(const std::string& text);
    void stop(const char* file, int line, const char* text);
    int finish_transfer(uint64_t timeout);

    Violation violation;
    AxiMemory port;
    AxiChecks checks;
    LiteMaster lite;
    uint64_t cycles = 0;
    uint64_t reset_cycles = 0;
    bool ended = false;  // the model threw: only destroying it is left
    std::string messages, returned_messages;

    VerilatedContext context;
    std::unique_ptr<Vsim> model;
#if VM_TRACE_FST
    std::unique_ptr<VerilatedFstC> trace;
#endif

private:
    void drive(bool in_reset);
    void evaluate(bool clock);
    MasterOut master_out() const;
    LiteOut lite_out() const;
};

bnn_sim::bnn_sim(uint64_t seed, const char* trace_path)
    : port(Random(seed).next(), violation), checks(violation), lite(Random(seed ^ 0x5eed).next(), violation) {
    port.timing = {0.8, 0.004, 0.1, 30, 8, 16, 8, 8};
    context.randReset(2);  // registers without reset start at random, from the seed
    context.randSeed(static_cast<int>(1 + seed % 0x7ffffffe));
    context.traceEverOn(trace_path != nullptr);
    current = this;
    model.reset(new Vsim{&context, "bnn"});
#if VM_TRACE_FST
    if (!trace_path) return;
    FILE* const file = fopen(trace_path, "wb");  // the trace writer does not say when it cannot
    if (!file) throw ModelEnd{};
    fclose(file);
    trace.reset(new VerilatedFstC);
    model->trace(trace.get(), 99);
    trace->open(trace_path);
    if (!trace->isOpen()) throw ModelEnd{};
#endif
}

bnn_sim::~bnn_sim() {
    current = this;
#if VM_TRACE_FST
    if (trace) trace->close();
#endif
    model.reset();
    current = nullptr;
}

void bnn_sim::cycle(bool in_reset) {
    drive(in_reset);
    evaluate(false);
    const MasterOut out = master_out();
    const LiteOut lite_out = this->lite_out();
    if (!in_reset)
        checks.step(out, port.in(), cycles);
    else if (reset_cycles++)  // before the first edge the registers hold anything
        checks.step_in_reset(out, lite_out, cycles);
    evaluate(true);
    if (!in_reset) {
        port.step(out, cycles);
        lite.step(lite_out, cycles);
    }
    ++cycles;
}

void bnn_sim::drive(bool in_reset) {
    const MasterIn& in = port.in();
    const LiteIn& bus = lite.in();
    model->rst_ni = !in_reset;
    model->m_arready_i = in.arready;
    model->m_rdata_i = in.rdata;
    model->m_rresp_i = in.rresp;
    model->m_rlast_i = in.rlast;
    model->m_rvalid_i = in.rvalid;
    model->m_awready_i = in.awready;
    model->m_wready_i = in.wready;
    model->m_bresp_i = in.bresp;
    model->m_bvalid_i = in.bvalid;
    model->s_awaddr_i = bus.awaddr;
    model->s_awvalid_i = bus.awvalid;
    model->s_wdata_i = bus.wdata;
    model->s_wstrb_i = bus.wstrb;
    model->s_wvalid_i = bus.wvalid;
    model->s_bready_i = bus.bready;
    model->s_araddr_i = bus.araddr;
    model->s_arvalid_i = bus.arvalid;
    model->s_rready_i = bus.rready;
}

void bnn_sim::evaluate(bool clock) {
    model->clk_i = clock;
    model->eval();
#if VM_TRACE_FST
    if (trace) trace->dump(context.time());
#endif
    context.timeInc(5);
}

MasterOut bnn_sim::master_out() const {
    MasterOut out;
    out.araddr = model->m_araddr_o;
    out.arlen = model->m_arlen_o;
    out.arvalid = model->m_arvalid_o;
    out.rready = model->m_rready_o;
    out.awaddr = model->m_awaddr_o;
    out.awlen = model->m_awlen_o;
    out.awvalid = model->m_awvalid_o;
    out.wdata = model->m_wdata_o;
    out.wstrb = model->m_wstrb_o;
    out.wlast = model->m_wlast_o;
    out.wvalid = model->m_wvalid_o;
    out.bready = model->m_bready_o;
    return out;
}

LiteOut bnn_sim::lite_out() const {
    LiteOut out;
    out.awready = model->s_awready_o;
    out.wready = model->s_wready_o;
    out.bresp = model->s_bresp_o;
    out.bvalid = model->s_bvalid_o;
    out.arready = model->s_arready_o;
    out.rdata = model->s_rdata_o;
    out.rresp = model->s_rresp_o;
    out.rvalid = model->s_rvalid_o;
    return out;
}

void bnn_sim::message(const std::string& text) {
    messages += text;
    if (messages.size() > kMessagesKept) messages.erase(0, messages.size() - kMessagesKept);
}

// An assertion, $error or $fatal prints its text first and then stops: the text is the last line printed.
void bnn_sim::stop(const char* file, int line, const char* text) {
    std::string said = messages;
    while (!said.empty() && said.back() == '\n') said.pop_back();
    said.erase(0, said.rfind('\n') + 1);
    size_t error = said.find("%Error: ");
    if (error == std::string::npos) error = said.find("%Fatal: ");
    if (error != std::string::npos)
        violation.record(cycles, "%s", said.c_str() + error + 8);
    else
        violation.record(cycles, "%s:%d: %s", file, line, text);
}

int bnn_sim::finish_transfer(uint64_t timeout) {
    for (uint64_t cycle_number = 0; !lite.idle(); ++cycle_number) {
        if (violation.any()) return BNN_SIM_VIOLATION;
        if (cycle_number >= timeout) return BNN_SIM_TIMEOUT;
        cycle();
    }
    if (violation.any()) return BNN_SIM_VIOLATION;
    return lite.response() == kOkay ? BNN_SIM_OK : BNN_SIM_ERROR_RESPONSE;
}

// Verilator's hooks, and its printing.

extern "C" int bnn_sim_printf(const char* format, ...) {
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (current) current->message(text);
    return length;
}

void vl_stop(const char* file, int line, const char*) {
    if (current) current->stop(file, line, "$stop");
}

void vl_finish(const char* file, int line, const char*) {
    if (current) current->stop(file, line, "$finish");
}

void vl_fatal(const char* file, int line, const char*, const char* text) {
    // Verilator's own checks: the code behind them relies on this not coming back.
    if (current) current->stop(file ? file : "", line, text);
    throw ModelEnd{};
}

namespace {

// Runs `body` with the hooks pointing at `sim`; what is thrown becomes a violation.
template <class Body>
int guarded(bnn_sim* sim, Body body) {
    if (sim->ended) return BNN_SIM_VIOLATION;
    current = sim;
    int status;
    try {
        status = body();
    } catch (const std::exception& error) {
        sim->violation.record(sim->cycles, "%s", error.what());
        sim->ended = true;
        status = BNN_SIM_VIOLATION;
    }
    current = nullptr;
    return status;
}

}  // namespace

int bnn_sim_interface(void) { return BNN_SIM_INTERFACE; }

int bnn_sim_can_trace(void) {
#if VM_TRACE_FST
    return 1;
#else
    return 0;
#endif
}

bnn_sim* bnn_sim_create(uint64_t seed, const char* trace_path) {
    if (trace_path && !bnn_sim_can_trace()) return nullptr;
    bnn_sim* sim = nullptr;
    try {
        sim = new bnn_sim(seed, trace_path);
    } catch (const std::exception&) {
    }
    current = nullptr;
    return sim;
}

void bnn_sim_destroy(bnn_sim* sim) { delete sim; }

int bnn_sim_set_timing(bnn_sim* sim, const bnn_sim_timing* timing) {
    if (!(timing->rate > 0 && timing->rate <= 1) || !timing->latency || !timing->outstanding_reads ||
        !timing->outstanding_writes || !(timing->stall_probability >= 0 && timing->stall_probability < 1) ||
        !(timing->ready_drop >= 0 && timing->ready_drop < 1))
        return BNN_SIM_BAD_ARGUMENT;
    sim->port.timing = *timing;
    return BNN_SIM_OK;
}

int bnn_sim_add_region(bnn_sim* sim, uint32_t base, void* data, uint64_t size, int readable, int writable) {
    return sim->port.memory.add(base, data, size, readable, writable) ? BNN_SIM_OK : BNN_SIM_BAD_ARGUMENT;
}

void bnn_sim_clear_regions(bnn_sim* sim) { sim->port.memory.clear(); }

void bnn_sim_allow_outside(bnn_sim* sim, int allow) { sim->port.allow_outside = allow; }

int bnn_sim_fault_read(bnn_sim* sim, uint64_t burst, int32_t beat, int32_t response) {
    if (response >= 0 && response != kSlaveError && response != kDecodeError) return BNN_SIM_BAD_ARGUMENT;
    sim->port.fault_read(burst, beat, response);
    return BNN_SIM_OK;
}

int bnn_sim_fault_write(bnn_sim* sim, uint64_t burst, int32_t response) {
    if (response >= 0 && response != kSlaveError && response != kDecodeError) return BNN_SIM_BAD_ARGUMENT;
    sim->port.fault_write(burst, response);
    return BNN_SIM_OK;
}

void bnn_sim_clear_faults(bnn_sim* sim) { sim->port.clear_faults(); }

void bnn_sim_get_counts(const bnn_sim* sim, bnn_sim_counts* counts) { *counts = sim->port.counts; }

int bnn_sim_reset(bnn_sim* sim, uint32_t cycles) {
    return guarded(sim, [=] {
        sim->violation.clear();
        sim->port.reset();
        sim->checks.reset();
        sim->lite.reset();
        sim->reset_cycles = 0;
        sim->context.assertOn(false);  // registers without reset hold anything until the pipelines have run dry
        for (uint32_t cycle = 0; cycle < cycles || cycle < 2; ++cycle) sim->cycle(true);
        sim->context.assertOn(true);
        return sim->violation.any() ? BNN_SIM_VIOLATION : BNN_SIM_OK;
    });
}

int bnn_sim_write(bnn_sim* sim, uint32_t address, uint32_t value, uint64_t timeout) {
    if (address > 0xfff) return BNN_SIM_BAD_ARGUMENT;
    if (!sim->lite.idle()) return sim->violation.any() ? BNN_SIM_VIOLATION : BNN_SIM_TIMEOUT;
    return guarded(sim, [=] {
        if (!sim->violation.any()) sim->lite.start_write(static_cast<uint16_t>(address), value);
        return sim->finish_transfer(timeout);
    });
}

int bnn_sim_read(bnn_sim* sim, uint32_t address, uint32_t* value, uint64_t timeout) {
    if (address > 0xfff) return BNN_SIM_BAD_ARGUMENT;
    if (!sim->lite.idle()) return sim->violation.any() ? BNN_SIM_VIOLATION : BNN_SIM_TIMEOUT;
    return guarded(sim, [=] {
        if (!sim->violation.any()) sim->lite.start_read(static_cast<uint16_t>(address));
        const int status = sim->finish_transfer(timeout);
        *value = sim->lite.value();
        return status;
    });
}

uint64_t bnn_sim_run(bnn_sim* sim, uint64_t max_cycles, int stop_on_irq) {
    const uint64_t start = sim->cycles;
    guarded(sim, [=] {
        while (sim->cycles - start < max_cycles && !sim->violation.any() && !(stop_on_irq && sim->model->irq_o))
            sim->cycle();
        return 0;
    });
    return sim->cycles - start;
}

int bnn_sim_irq(const bnn_sim* sim) { return sim->model->irq_o; }

uint64_t bnn_sim_cycles(const bnn_sim* sim) { return sim->cycles; }

const char* bnn_sim_violation(const bnn_sim* sim) { return sim->violation.text(); }

const char* bnn_sim_messages(bnn_sim* sim) {
    sim->returned_messages.swap(sim->messages);
    sim->messages.clear();
    return sim->returned_messages.c_str();
}

void bnn_sim_flush(bnn_sim* sim) {
#if VM_TRACE_FST
    if (sim->trace) sim->trace->flush();
#else
    (void)sim;
#endif
}
