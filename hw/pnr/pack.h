// Packing: which cells share a letter (a LUT position with its two flip-flops), a slice, or a column of slices.
//
// A slice has four letters A to D, each with a LUT of six inputs that may be two of five with the same inputs (outputs O6
// and O5), two flip-flops, a bypass pin (AX) and one multiplexed output (AMUX). Its flip-flops share clock, enable, set or
// reset. Packing makes *atoms*, which placement may put into any letter, and *macros* of whole slices.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "netlist.h"

namespace pnr {

// A function of up to six nets; the first input is the lowest bit of the table's index.
struct Lut {
    std::vector<NetId> inputs;
    std::uint64_t table = 0;
    NetId output = kNothing;
    CellId cell = kNothing;  // kNothing: made here, to pass a net or a constant on
};

// What the flip-flops of a slice share. Enable kOne and reset kZero are none.
struct Control {
    NetId clock, enable, reset;
    bool asynchronous;
    bool operator==(const Control& other) const {
        return clock == other.clock && enable == other.enable && reset == other.reset &&
               asynchronous == other.asynchronous;
    }
};

enum class From : std::uint8_t { none, o6, o5, bypass, sum, carry };          // a flip-flop's D, by the multiplexer's input
enum class Out : std::uint8_t { none, o5, sum, carry, second };              // what AMUX carries; second: the second FF
enum class Memory : std::uint8_t { none, shift16, ram32, ram64 };

struct Letter {
    std::int32_t six = kNothing, five = kNothing;  // Design::luts
    CellId ff = kNothing, ff5 = kNothing;
    From ff_from = From::none, ff5_from = From::none;
    NetId bypass = kNothing;      // what AX must carry
    Out mux = Out::none;
    NetId mux_net = kNothing;     // the net that leaves through AMUX
    bool carry = false;           // its LUT selects a carry
    bool carry_from_o5 = false;   // the carry's other input is O5, else AX
    Memory memory = Memory::none;
    CellId memory_cell = kNothing;
    std::array<NetId, 6> address{kNothing, kNothing, kNothing, kNothing, kNothing, kNothing};  // at pins 1 to 6
    NetId data1 = kNothing;       // at AI; goes to O5's half of a RAM32, to all of a RAM64
    NetId memory6 = kNothing, memory5 = kNothing;  // nets that a memory's outputs drive

    bool empty() const { return six < 0 && five < 0 && ff < 0 && ff5 < 0 && memory == Memory::none && !carry; }
    bool lut_free() const { return six < 0 && five < 0 && memory == Memory::none && !carry; }
};

struct Slice {
    std::array<Letter, 4> letters;
    std::int32_t control = kNothing;  // Design::controls
    CellId carry = kNothing;
    bool has_carry = false, carry_in = false;  // carry_in: from the slice below
    NetId carry_start = kZero;
    NetId write_enable = kNothing, write_clock = kNothing;
};

struct Atom {
    Letter letter;
    std::int32_t control = kNothing;
    bool single_ff = false;  // a flip-flop alone, which fits beside what another atom leaves free
    bool needs_m = false;    // only in a SLICEM
};

struct Macro {
    std::vector<Slice> slices;  // from below
    bool needs_m = false;
};

// Where a cell was packed: an atom, a slice of a macro, or kNothing for a block that has a site of its own.
struct Home {
    std::int32_t atom = kNothing, macro = kNothing, slice = 0;
};

struct Design {
    const Netlist* netlist = nullptr;
    std::vector<Lut> luts;
    std::vector<Control> controls;
    std::vector<Atom> atoms;
    std::vector<Macro> macros;
    std::vector<std::vector<CellId>> rams, dsps;  // of DSPs those that pass results to each other, from below
    CellId processor = kNothing, clock_buffer = kNothing;
    std::vector<Home> homes;  // by cell
};

// Throws Error: a cell or use of it that the device has not, or this program does not know.
Design pack(const Netlist& netlist);

// One line: how many of what.
std::string summary(const Design& design);

}  // namespace pnr
