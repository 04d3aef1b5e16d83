#include "axi_checks.h"

void AxiChecks::reset() {
    ar_waits_ = aw_waits_ = w_waits_ = false;
    lengths_.clear();
    beat_ = 0;
}

void AxiChecks::step(const MasterOut& out, const MasterIn& in, uint64_t cycle) {
    check_held(out, cycle);
    if (out.arvalid && !ar_waits_) check_burst("read", out.araddr, out.arlen, cycle);
    if (out.awvalid && !aw_waits_) {
        check_burst("write", out.awaddr, out.awlen, cycle);
        lengths_.push_back(out.awlen + 1u);
    }
    if (out.wvalid) check_write_data(out, in, cycle);
    ar_waits_ = out.arvalid && !in.arready;
    aw_waits_ = out.awvalid && !in.awready;
    w_waits_ = out.wvalid && !in.wready;
    last_ = out;
}

void AxiChecks::step_in_reset(const MasterOut& out, const LiteOut& lite, uint64_t cycle) {
    if (out.arvalid) violation_.record(cycle, "m_arvalid_o is high in reset");
    if (out.awvalid) violation_.record(cycle, "m_awvalid_o is high in reset");
    if (out.wvalid) violation_.record(cycle, "m_wvalid_o is high in reset");
    if (lite.bvalid) violation_.record(cycle, "s_bvalid_o is high in reset");
    if (lite.rvalid) violation_.record(cycle, "s_rvalid_o is high in reset");
}

void AxiChecks::check_held(const MasterOut& out, uint64_t cycle) {
    if (ar_waits_ && !out.arvalid) violation_.record(cycle, "m_arvalid_o fell before m_arready_i");
    if (aw_waits_ && !out.awvalid) violation_.record(cycle, "m_awvalid_o fell before m_awready_i");
    if (w_waits_ && !out.wvalid) violation_.record(cycle, "m_wvalid_o fell before m_wready_i");
    if (ar_waits_ && (out.araddr != last_.araddr || out.arlen != last_.arlen))
        violation_.record(cycle, "read address changed while waiting for m_arready_i: "
                          "0x%08x, length %u, then 0x%08x, %u",
                          last_.araddr, last_.arlen, out.araddr, out.arlen);
    if (aw_waits_ && (out.awaddr != last_.awaddr || out.awlen != last_.awlen))
        violation_.record(cycle, "write address changed while waiting for m_awready_i: "
                          "0x%08x, length %u, then 0x%08x, %u",
                          last_.awaddr, last_.awlen, out.awaddr, out.awlen);
    if (w_waits_ && (out.wdata != last_.wdata || out.wstrb != last_.wstrb || out.wlast != last_.wlast))
        violation_.record(cycle, "write data, strobes or last changed while waiting for m_wready_i: "
                          "0x%016llx, 0x%02x, %d, then 0x%016llx, 0x%02x, %d",
                          static_cast<unsigned long long>(last_.wdata), last_.wstrb, last_.wlast,
                          static_cast<unsigned long long>(out.wdata), out.wstrb, out.wlast);
}

void AxiChecks::check_burst(const char* kind, uint32_t address, uint32_t length, uint64_t cycle) {
    const uint32_t bytes = 8 * (length + 1);
    if (address % 8) violation_.record(cycle, "%s address 0x%08x is not a multiple of 8", kind, address);
    if (address % 4096 + bytes > 4096)
        violation_.record(cycle, "%s burst of %u bytes at 0x%08x crosses a 4 KB border", kind, bytes, address);
}

void AxiChecks::check_write_data(const MasterOut& out, const MasterIn& in, uint64_t cycle) {
    if (lengths_.empty()) {
        violation_.record(cycle, "write data before their address: no burst is open");
        return;
    }
    const bool last = beat_ + 1 == lengths_.front();
    if (out.wlast != last)
        violation_.record(cycle, "m_wlast_o is %d in beat %u of a burst of %u", out.wlast, beat_ + 1, lengths_.front());
    if (!in.wready) return;
    ++beat_;
    if (last) {
        lengths_.pop_front();
        beat_ = 0;
    }
}
