// LUTs as memory, as place and route has them: one bit wide, written by the clock, read through.
module RAMD64E #(
  parameter INIT = 0,
  parameter IS_WCLK_INVERTED = 0
) (
  input  logic CLK, WE, I,
  input  logic RADR0, RADR1, RADR2, RADR3, RADR4, RADR5,
  input  logic WADR0, WADR1, WADR2, WADR3, WADR4, WADR5, WADR6, WADR7,
  output logic O
);
  logic [63:0] memory;
  always_ff @(posedge CLK) if (WE) memory[{WADR5, WADR4, WADR3, WADR2, WADR1, WADR0}] <= I;
  assign O = memory[{RADR5, RADR4, RADR3, RADR2, RADR1, RADR0}];
endmodule

module RAMD32 #(
  parameter INIT = 0,
  parameter IS_WCLK_INVERTED = 0
) (
  input  logic CLK, WE, I,
  input  logic RADR0, RADR1, RADR2, RADR3, RADR4,
  input  logic WADR0, WADR1, WADR2, WADR3, WADR4,
  output logic O
);
  logic [31:0] memory;
  always_ff @(posedge CLK) if (WE) memory[{WADR4, WADR3, WADR2, WADR1, WADR0}] <= I;
  assign O = memory[{RADR4, RADR3, RADR2, RADR1, RADR0}];
endmodule
