// A block RAM of 36 Kbit, as far as netlists of this accelerator use it, for simulation: simple dual port of 72 bits
// (read on A, written on B) or two ports of 9, 18 or 36 bits; old data are read; no output register, reset or ECC.
module RAMB36E1 #(
  parameter RAM_MODE = "TDP",
  parameter RAM_EXTENSION_A = "NONE",
  parameter RAM_EXTENSION_B = "NONE",
  parameter WRITE_MODE_A = "WRITE_FIRST",
  parameter WRITE_MODE_B = "WRITE_FIRST",
  parameter int DOA_REG = 0,
  parameter int DOB_REG = 0,
  parameter int READ_WIDTH_A = 0,
  parameter int READ_WIDTH_B = 0,
  parameter int WRITE_WIDTH_A = 0,
  parameter int WRITE_WIDTH_B = 0,
  parameter SRVAL_A = 0,
  parameter SRVAL_B = 0
) (
  input  logic        CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, REGCEAREGCE, REGCEB,
  input  logic        RSTRAMARSTRAM, RSTRAMB, RSTREGARSTREG, RSTREGB,
  input  logic [15:0] ADDRARDADDR, ADDRBWRADDR,
  input  logic [31:0] DIADI, DIBDI,
  input  logic [3:0]  DIPADIP, DIPBDIP, WEA,
  input  logic [7:0]  WEBWE,
  output logic [31:0] DOADO, DOBDO,
  output logic [3:0]  DOPADOP, DOPBDOP
);
  logic [8:0] memory [4096];  // a byte and its parity bit

  // First byte of the word at an address.
  function automatic int first(logic [15:0] addr, int width);
    return int'(addr[14:3]) / (width / 9) * (width / 9);
  endfunction

  if (RAM_MODE == "SDP") begin : g_simple
    always_ff @(posedge CLKARDCLK) if (ENARDEN) begin
      for (int b = 0; b < 4; b++) begin
        {DOPADOP[b], DOADO[8*b +: 8]} <= memory[first(ADDRARDADDR, 72) + b];
        {DOPBDOP[b], DOBDO[8*b +: 8]} <= memory[first(ADDRARDADDR, 72) + 4 + b];
      end
    end
    always_ff @(posedge CLKBWRCLK) if (ENBWREN) begin
      for (int b = 0; b < 4; b++) begin
        if (WEBWE[b]) memory[first(ADDRBWRADDR, 72) + b] <= {DIPADIP[b], DIADI[8*b +: 8]};
        if (WEBWE[4+b]) memory[first(ADDRBWRADDR, 72) + 4 + b] <= {DIPBDIP[b], DIBDI[8*b +: 8]};
      end
    end
  end else begin : g_two_ports
    always_ff @(posedge CLKARDCLK) if (ENARDEN) begin
      for (int b = 0; b < READ_WIDTH_A / 9; b++)
        {DOPADOP[b], DOADO[8*b +: 8]} <= memory[first(ADDRARDADDR, READ_WIDTH_A) + b];
      for (int b = 0; b < WRITE_WIDTH_A / 9; b++)
        if (WEA[b]) memory[first(ADDRARDADDR, WRITE_WIDTH_A) + b] <= {DIPADIP[b], DIADI[8*b +: 8]};
    end
    always_ff @(posedge CLKBWRCLK) if (ENBWREN) begin
      for (int b = 0; b < READ_WIDTH_B / 9; b++)
        {DOPBDOP[b], DOBDO[8*b +: 8]} <= memory[first(ADDRBWRADDR, READ_WIDTH_B) + b];
      for (int b = 0; b < WRITE_WIDTH_B / 9; b++)
        if (WEBWE[b]) memory[first(ADDRBWRADDR, WRITE_WIDTH_B) + b] <= {DIPBDIP[b], DIBDI[8*b +: 8]};
    end
  end

  localparam bit SIMPLE = RAM_MODE == "SDP";
  initial begin
    assert (DOA_REG == 0 && DOB_REG == 0) else $fatal(1, "output registers are not modelled");
    assert (!SIMPLE || (READ_WIDTH_A == 72 && WRITE_WIDTH_B == 72)) else $fatal(1, "SDP is modelled with 72 bits");
    assert (SIMPLE || READ_WIDTH_A == 0 || READ_WIDTH_A >= 9) else $fatal(1, "widths are modelled from 9 bits on");
    assert (SIMPLE || READ_WIDTH_B == 0 || READ_WIDTH_B >= 9) else $fatal(1, "widths are modelled from 9 bits on");
    assert ((READ_WIDTH_A == 0 || WRITE_WIDTH_A == 0 || WRITE_MODE_A == "READ_FIRST") &&
            (READ_WIDTH_B == 0 || WRITE_WIDTH_B == 0 || WRITE_MODE_B == "READ_FIRST"))
      else $fatal(1, "a port that reads and writes is modelled as READ_FIRST");
  end
  always_ff @(posedge CLKARDCLK)
    assert (!RSTRAMARSTRAM && !RSTRAMB)
      else $error("resets of outputs are not modelled");
endmodule
