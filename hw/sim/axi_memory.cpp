#include "axi_memory.h"

#include <algorithm>
#include <cstring>

bool Pace::step(const bnn_sim_timing& timing, Random& random) {
    tokens_ = std::min(tokens_ + timing.rate, 2.0);  // a bucket of one would round 0.8 down to 0.5
    if (stalled_)
        --stalled_;
    else if (timing.stall_probability > 0 && timing.stall_cycles && random.chance(timing.stall_probability))
        stalled_ = 1 + random.upto(timing.stall_cycles - 1);
    return !stalled_ && tokens_ >= 1 - 1e-9;
}

bool ReadyGate::step(const bnn_sim_timing& timing, Random& random, bool waiting) {
    if (timing.ready_drop <= 0) return true;
    if (random.chance(1.0 / 32)) after_valid_ = !after_valid_;
    return (waiting || !after_valid_) && !random.chance(timing.ready_drop);
}

void AxiMemory::fault_read(uint64_t burst, int32_t beat, int32_t response) {
    read_fault_ = {true, read_number_ + burst, beat, response};
}

void AxiMemory::fault_write(uint64_t burst, int32_t response) {
    write_fault_ = {true, write_number_ + burst, -1, response};
}

void AxiMemory::reset() {
    in_ = MasterIn{};
    reads_.clear();
    writes_.clear();
    write_beats_.clear();
    read_beat_ = complete_ = complete_beats_ = 0;
}

void AxiMemory::step(const MasterOut& out, uint64_t cycle) {
    step_read(out, cycle);
    step_write(out, cycle);
}

AxiMemory::Burst AxiMemory::accept(uint32_t address, uint32_t length, uint64_t number, bool for_write,
                                   uint64_t cycle) {
    const uint32_t beats = length + 1;
    const bool outside = !memory.find(address, 8 * beats, for_write);
    if (outside && !allow_outside)
        violation_.record(cycle, "%s of %u bytes at 0x%08x lies in no %s region", for_write ? "write" : "read",
                          8 * beats, address, for_write ? "writable" : "readable");
    return {address, beats, number, due(cycle), outside};
}

void AxiMemory::step_read(const MasterOut& out, uint64_t cycle) {
    const bool address_taken = out.arvalid && in_.arready;
    if (address_taken) {
        reads_.push_back(accept(out.araddr, out.arlen, read_number_++, false, cycle));
        ++counts.read_bursts;
    }
    const bool beat_taken = in_.rvalid && out.rready;
    if (beat_taken) {
        ++counts.read_beats;
        if (in_.rlast) {
            reads_.pop_front();
            read_beat_ = 0;
        }
    }
    const bool may_pass = read_pace_.step(timing, random_);
    if (!in_.rvalid || beat_taken) {
        in_.rvalid = may_pass && !reads_.empty() && (read_beat_ || cycle + 1 >= reads_.front().due) &&
                     !(read_fault_.armed && read_fault_.response < 0 && reads_.front().number >= read_fault_.burst);
        if (in_.rvalid) offer_read_beat();
    }
    const bool ready = ar_gate_.step(timing, random_, out.arvalid && !address_taken);
    in_.arready = ready && reads_.size() < timing.outstanding_reads;
}

void AxiMemory::offer_read_beat() {
    const Burst& burst = reads_.front();
    read_pace_.spend();
    in_.rresp = burst.outside ? kDecodeError : kOkay;
    if (read_fault_.armed && burst.number == read_fault_.burst &&
        (read_fault_.beat < 0 || static_cast<uint32_t>(read_fault_.beat) == read_beat_))
        in_.rresp = static_cast<uint8_t>(read_fault_.response);
    in_.rdata = random_.next();  // what comes with an error is nothing to compute with
    if (in_.rresp == kOkay)
        if (const uint8_t* source = memory.find(burst.address + 8 * read_beat_, 8, false))
            std::memcpy(&in_.rdata, source, 8);
    in_.rlast = ++read_beat_ == burst.beats;
}

void AxiMemory::step_write(const MasterOut& out, uint64_t cycle) {
    if (in_.bvalid && out.bready) {
        in_.bvalid = false;
        writes_.pop_front();
        --complete_;
    }
    const bool address_taken = out.awvalid && in_.awready;
    if (address_taken) {
        writes_.push_back(accept(out.awaddr, out.awlen, write_number_++, true, cycle));
        ++counts.write_bursts;
    }
    const bool beat_taken = out.wvalid && in_.wready;
    const bool may_pass = write_pace_.step(timing, random_);
    if (beat_taken) {
        write_beats_.push_back({out.wdata, out.wstrb});
        ++counts.write_beats;
    }
    while (complete_ < writes_.size() && write_beats_.size() - complete_beats_ >= writes_[complete_].beats) {
        Burst& burst = writes_[complete_++];
        burst.due = due(cycle);
        complete_beats_ += burst.beats;
    }
    if (!in_.bvalid && complete_ && cycle + 1 >= writes_.front().due &&
        !(write_fault_.armed && write_fault_.response < 0 && writes_.front().number >= write_fault_.burst))
        offer_write_response();
    const bool ready = aw_gate_.step(timing, random_, out.awvalid && !address_taken);
    in_.awready = ready && writes_.size() < timing.outstanding_writes;
    const bool data_ready = w_gate_.step(timing, random_, out.wvalid && !beat_taken);
    in_.wready = data_ready && may_pass && write_beats_.size() < 16u * timing.outstanding_writes;
    if (in_.wready) write_pace_.spend();
}

void AxiMemory::offer_write_response() {
    const Burst& burst = writes_.front();
    const bool faulty = write_fault_.armed && burst.number == write_fault_.burst;
    in_.bvalid = true;
    in_.bresp = faulty ? static_cast<uint8_t>(write_fault_.response) : burst.outside ? kDecodeError : kOkay;
    if (in_.bresp == kOkay) store(burst);
    write_beats_.erase(write_beats_.begin(), write_beats_.begin() + burst.beats);
    complete_beats_ -= burst.beats;
}

void AxiMemory::store(const Burst& burst) {
    for (uint32_t beat = 0; beat < burst.beats; ++beat) {
        uint8_t* target = memory.find(burst.address + 8 * beat, 8, true);
        if (!target) return;  // the caller took the region away meanwhile
        for (unsigned byte = 0; byte < 8; ++byte)
            if (write_beats_[beat].strobes >> byte & 1)
                target[byte] = static_cast<uint8_t>(write_beats_[beat].data >> (8 * byte));
    }
}
