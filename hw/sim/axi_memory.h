// A memory behind a port that behaves like an HP port of a Zynq-7000.
//
// Reads and writes are independent channels. A read burst's first beat is offered `latency` + 0..`jitter` cycles
// after the cycle in which its address was taken, later beats as a token bucket of `rate` tokens a cycle and random
// stall stretches allow; bursts are answered in order. Written bytes reach the memory only when the response is
// offered, so a core that reports completion earlier is found out.
#pragma once
#include <cstdint>
#include <deque>

#include "memory.h"
#include "ports.h"
#include "random.h"
#include "simulator.h"
#include "violation.h"

// Beats that may pass: a token bucket of at most two tokens, and stretches of random length in which none may.
class Pace {
public:
    // One cycle; whether a beat may pass in the next one. spend() takes its token.
    bool step(const bnn_sim_timing& timing, Random& random);
    void spend() { tokens_ -= 1; }

private:
    double tokens_ = 1;
    uint32_t stalled_ = 0;
};

// A ready signal that comes before valid for a while, then only after it, and drops at random.
class ReadyGate {
public:
    // Ready of the next cycle; `waiting`: valid is high in this cycle and was not taken.
    bool step(const bnn_sim_timing& timing, Random& random, bool waiting);

private:
    bool after_valid_ = false;
};

class AxiMemory {
public:
    AxiMemory(uint64_t seed, Violation& violation) : random_(seed), violation_(violation) {}

    Memory memory;
    bnn_sim_timing timing{};
    bnn_sim_counts counts{};
    bool allow_outside = false;  // answer DECERR only, do not record a violation

    void fault_read(uint64_t burst, int32_t beat, int32_t response);
    void fault_write(uint64_t burst, int32_t response);
    void clear_faults() { read_fault_.armed = write_fault_.armed = false; }

    void reset();  // drops what is in flight
    const MasterIn& in() const { return in_; }
    // The cycle in which in() met `out` has ended; works out in() of the next one.
    void step(const MasterOut& out, uint64_t cycle);

private:
    struct Burst {
        uint32_t address;
        uint32_t beats;
        uint64_t number;  // in order of acceptance, counted from 0
        uint64_t due;     // first cycle in which an answer may be offered
        bool outside;     // not wholly in a region: answered DECERR, touches nothing
    };
    struct WriteBeat {
        uint64_t data;
        uint8_t strobes;
    };
    struct Fault {
        bool armed = false;
        uint64_t burst = 0;
        int32_t beat = 0, response = 0;
    };

    Burst accept(uint32_t address, uint32_t length, uint64_t number, bool for_write, uint64_t cycle);
    uint64_t due(uint64_t cycle) { return cycle + timing.latency + random_.upto(timing.jitter); }
    void step_read(const MasterOut& out, uint64_t cycle);
    void offer_read_beat();
    void step_write(const MasterOut& out, uint64_t cycle);
    void offer_write_response();
    void store(const Burst& burst);

    Random random_;
    Violation& violation_;
    MasterIn in_;
    Fault read_fault_, write_fault_;

    std::deque<Burst> reads_;
    uint32_t read_beat_ = 0;  // beats of reads_.front() that have been offered
    uint64_t read_number_ = 0;
    Pace read_pace_;
    ReadyGate ar_gate_;

    std::deque<Burst> writes_;  // waiting for data, then (the first `complete_`) for their response
    std::deque<WriteBeat> write_beats_;
    uint32_t complete_ = 0;        // bursts at the front of writes_ whose data are all there
    uint32_t complete_beats_ = 0;  // beats at the front of write_beats_ that belong to them
    uint64_t write_number_ = 0;
    Pace write_pace_;
    ReadyGate aw_gate_, w_gate_;
};
