// The processor's side of the core's AXI4-Lite slave: one transfer at a time, order and delays at random.
#pragma once
#include <cstdint>

#include "ports.h"
#include "random.h"
#include "violation.h"

class LiteMaster {
public:
    LiteMaster(uint64_t seed, Violation& violation) : random_(seed), violation_(violation) {}

    void reset();
    void start_write(uint16_t address, uint32_t value);
    void start_read(uint16_t address);
    bool idle() const { return !writing_ && !reading_; }
    uint32_t value() const { return value_; }        // what the last read gave
    uint8_t response() const { return response_; }   // and how the last transfer was answered

    const LiteIn& in() const { return in_; }
    // The cycle in which in() met `out` has ended; judges `out` and works out in() of the next one.
    void step(const LiteOut& out, uint64_t cycle);

private:
    void step_write(const LiteOut& out, uint64_t cycle);
    void step_read(const LiteOut& out, uint64_t cycle);

    Random random_;
    Violation& violation_;
    LiteIn in_;
    LiteOut last_;
    bool writing_ = false, reading_ = false;
    bool address_taken_ = false, data_taken_ = false;   // of the transfer under way
    uint32_t address_delay_ = 0, data_delay_ = 0, ready_delay_ = 0;
    bool b_waits_ = false, r_waits_ = false;             // a response was offered and not taken
    uint32_t value_ = 0;
    uint8_t response_ = 0;
};
