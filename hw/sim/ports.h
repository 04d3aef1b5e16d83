// The core's two AXI ports as plain records, so that nothing but simulator.cpp needs the Verilated model.
#pragma once
#include <cstdint>

// What the core drives on its AXI master.
struct MasterOut {
    uint32_t araddr = 0;
    uint8_t arlen = 0;
    bool arvalid = false;
    bool rready = false;
    uint32_t awaddr = 0;
    uint8_t awlen = 0;
    bool awvalid = false;
    uint64_t wdata = 0;
    uint8_t wstrb = 0;
    bool wlast = false;
    bool wvalid = false;
    bool bready = false;
};

// What the memory drives there.
struct MasterIn {
    bool arready = false;
    uint64_t rdata = 0;
    uint8_t rresp = 0;
    bool rlast = false;
    bool rvalid = false;
    bool awready = false;
    bool wready = false;
    uint8_t bresp = 0;
    bool bvalid = false;
};

// What the core drives on its AXI4-Lite slave.
struct LiteOut {
    bool awready = false;
    bool wready = false;
    uint8_t bresp = 0;
    bool bvalid = false;
    bool arready = false;
    uint32_t rdata = 0;
    uint8_t rresp = 0;
    bool rvalid = false;
};

// What the processor drives there.
struct LiteIn {
    uint16_t awaddr = 0;
    bool awvalid = false;
    uint32_t wdata = 0;
    uint8_t wstrb = 0;
    bool wvalid = false;
    bool bready = false;
    uint16_t araddr = 0;
    bool arvalid = false;
    bool rready = false;
};

constexpr uint8_t kOkay = 0, kSlaveError = 2, kDecodeError = 3;
