// The C interface to one simulated core: the Verilated bnn_core, its clock, a memory and the processor's register bus.
//
// Nothing throws or ends the process across it. What goes wrong in the core is kept as a violation, which stops every
// run until bnn_sim_reset. Not thread-safe; any number of simulators may live at a time.
#pragma once
#include <stdint.h>

#define BNN_SIM_INTERFACE 1  // raised with every change below, so that a stale library is recognised

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bnn_sim bnn_sim;

enum bnn_sim_status {
    BNN_SIM_OK = 0,
    BNN_SIM_TIMEOUT = 1,         // the register bus did not finish in time, now or earlier; reset to go on
    BNN_SIM_VIOLATION = 2,       // see bnn_sim_violation
    BNN_SIM_ERROR_RESPONSE = 3,  // the core answered a register access with SLVERR or DECERR
    BNN_SIM_BAD_ARGUMENT = 4
};

typedef struct {
    double rate;               // beats a cycle on each data channel, at most; 0 < rate <= 1
    double stall_probability;  // that a stretch without beats begins, each cycle
    double ready_drop;         // that a ready signal is low, each cycle; 0: always ready while there is room
    uint32_t latency;          // cycles from an address (or a burst's last write beat) to the answer, at least; >= 1
    uint32_t jitter;           // up to so many more, at random
    uint32_t stall_cycles;     // longest such stretch
    uint32_t outstanding_reads, outstanding_writes;  // bursts taken and not yet answered; >= 1
} bnn_sim_timing;

typedef struct {
    uint64_t read_bursts, read_beats, write_bursts, write_beats;  // taken since the start
} bnn_sim_counts;

#define BNN_SIM_API __attribute__((visibility("default")))

BNN_SIM_API int bnn_sim_interface(void);
BNN_SIM_API int bnn_sim_can_trace(void);

// trace_path may be null; null comes back when the trace cannot be opened or the model does not start.
BNN_SIM_API bnn_sim* bnn_sim_create(uint64_t seed, const char* trace_path);
BNN_SIM_API void bnn_sim_destroy(bnn_sim* sim);

BNN_SIM_API int bnn_sim_set_timing(bnn_sim* sim, const bnn_sim_timing* timing);
// The memory is the caller's and must outlive the region; base is a multiple of 8.
BNN_SIM_API int bnn_sim_add_region(bnn_sim* sim, uint32_t base, void* data, uint64_t size, int readable, int writable);
BNN_SIM_API void bnn_sim_clear_regions(bnn_sim* sim);
// Accesses outside every region are answered DECERR; unless allowed here they are violations too.
BNN_SIM_API void bnn_sim_allow_outside(bnn_sim* sim, int allow);

// Answers the burst-th burst from now on (0: the next) with `response` (2 SLVERR, 3 DECERR), in one beat or, with
// beat < 0, in all; response < 0: neither it nor any later burst is ever answered.
BNN_SIM_API int bnn_sim_fault_read(bnn_sim* sim, uint64_t burst, int32_t beat, int32_t response);
BNN_SIM_API int bnn_sim_fault_write(bnn_sim* sim, uint64_t burst, int32_t response);
BNN_SIM_API void bnn_sim_clear_faults(bnn_sim* sim);
BNN_SIM_API void bnn_sim_get_counts(const bnn_sim* sim, bnn_sim_counts* counts);

// Holds rst_ni low for `cycles` cycles (at least 2); drops what is in flight and clears a violation. Assertions are off
// meanwhile.
BNN_SIM_API int bnn_sim_reset(bnn_sim* sim, uint32_t cycles);
BNN_SIM_API int bnn_sim_write(bnn_sim* sim, uint32_t address, uint32_t value, uint64_t timeout);
BNN_SIM_API int bnn_sim_read(bnn_sim* sim, uint32_t address, uint32_t* value, uint64_t timeout);
// Cycles advanced: fewer than asked when irq_o is high (if stop_on_irq) or a violation stands.
BNN_SIM_API uint64_t bnn_sim_run(bnn_sim* sim, uint64_t max_cycles, int stop_on_irq);

BNN_SIM_API int bnn_sim_irq(const bnn_sim* sim);
BNN_SIM_API uint64_t bnn_sim_cycles(const bnn_sim* sim);
BNN_SIM_API const char* bnn_sim_violation(const bnn_sim* sim);  // null: none
BNN_SIM_API const char* bnn_sim_messages(bnn_sim* sim);         // what the model printed since the last call
BNN_SIM_API void bnn_sim_flush(bnn_sim* sim);                   // the trace, to its file

#ifdef __cplusplus
}
#endif
