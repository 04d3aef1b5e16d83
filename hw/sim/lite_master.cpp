#include "lite_master.h"

namespace {
// Whether a delay has run out; counts it down otherwise.
bool over(uint32_t& delay) { return delay == 0 || --delay == 0; }
}  // namespace

void LiteMaster::reset() {
    in_ = LiteIn{};
    writing_ = reading_ = address_taken_ = data_taken_ = b_waits_ = r_waits_ = false;
}

void LiteMaster::start_write(uint16_t address, uint32_t value) {
    writing_ = true;
    address_taken_ = data_taken_ = false;
    in_.awaddr = address;
    in_.wdata = value;
    in_.wstrb = 0xf;
    address_delay_ = data_delay_ = 0;
    switch (random_.upto(2)) {  // together, data later, address later
        case 1: data_delay_ = 1 + random_.upto(4); break;
        case 2: address_delay_ = 1 + random_.upto(4); break;
    }
    ready_delay_ = random_.upto(1) ? 0 : 2 + random_.upto(4);
    in_.awvalid = !address_delay_;
    in_.wvalid = !data_delay_;
    in_.bready = !ready_delay_;
}

void LiteMaster::start_read(uint16_t address) {
    reading_ = true;
    address_taken_ = false;
    in_.araddr = address;
    in_.arvalid = true;
    ready_delay_ = random_.upto(1) ? 0 : 2 + random_.upto(4);
    in_.rready = !ready_delay_;
}

void LiteMaster::step(const LiteOut& out, uint64_t cycle) {
    step_write(out, cycle);
    step_read(out, cycle);
    last_ = out;
}

void LiteMaster::step_write(const LiteOut& out, uint64_t cycle) {
    if (out.bvalid && !(writing_ && address_taken_ && data_taken_))
        violation_.record(cycle, "s_bvalid_o is high before a write's address and data were taken");
    if (b_waits_ && (!out.bvalid || out.bresp != last_.bresp))
        violation_.record(cycle, "s_bvalid_o fell or s_bresp_o changed before s_bready_i");
    b_waits_ = out.bvalid && !in_.bready;
    if (!writing_) return;
    if (out.bvalid && in_.bready) {
        response_ = out.bresp;
        writing_ = in_.bready = false;
        return;
    }
    address_taken_ = address_taken_ || (in_.awvalid && out.awready);
    data_taken_ = data_taken_ || (in_.wvalid && out.wready);
    in_.awvalid = !address_taken_ && (in_.awvalid || over(address_delay_));
    in_.wvalid = !data_taken_ && (in_.wvalid || over(data_delay_));
    if (out.bvalid && over(ready_delay_)) in_.bready = true;
}

void LiteMaster::step_read(const LiteOut& out, uint64_t cycle) {
    if (out.rvalid && !(reading_ && address_taken_))
        violation_.record(cycle, "s_rvalid_o is high before a read's address was taken");
    if (r_waits_ && (!out.rvalid || out.rdata != last_.rdata || out.rresp != last_.rresp))
        violation_.record(cycle, "s_rvalid_o fell or s_rdata_o or s_rresp_o changed before s_rready_i");
    r_waits_ = out.rvalid && !in_.rready;
    if (!reading_) return;
    if (out.rvalid && in_.rready) {
        value_ = out.rdata;
        response_ = out.rresp;
        reading_ = in_.rready = false;
        return;
    }
    address_taken_ = address_taken_ || (in_.arvalid && out.arready);
    in_.arvalid = !address_taken_;
    if (out.rvalid && over(ready_delay_)) in_.rready = true;
}
