// What AXI asks of the core's master: judged every cycle, the first fault is recorded.
#pragma once
#include <cstdint>
#include <deque>

#include "ports.h"
#include "violation.h"

class AxiChecks {
public:
    explicit AxiChecks(Violation& violation) : violation_(violation) {}

    void reset();
    void step(const MasterOut& out, const MasterIn& in, uint64_t cycle);
    // In reset, from the second cycle on, nothing may be valid.
    void step_in_reset(const MasterOut& out, const LiteOut& lite, uint64_t cycle);

private:
    void check_held(const MasterOut& out, uint64_t cycle);
    void check_burst(const char* kind, uint32_t address, uint32_t length, uint64_t cycle);
    void check_write_data(const MasterOut& out, const MasterIn& in, uint64_t cycle);

    Violation& violation_;
    MasterOut last_;
    bool ar_waits_ = false, aw_waits_ = false, w_waits_ = false;  // valid, and not taken in the last cycle
    std::deque<uint32_t> lengths_;  // beats of each burst that has been offered and whose data are not all taken
    uint32_t beat_ = 0;             // beats taken of lengths_.front()
};
