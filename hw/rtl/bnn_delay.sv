// A fixed delay: out_o is in_i of CYCLES cycles before.
//
// No reset, so what is longer than two cycles becomes shift-register LUTs. Those are slow at their output (1.6 ns), so
// the last cycle is a flip-flop.
module bnn_delay #(
  parameter int WIDTH = 1,
  parameter int CYCLES = 1
) (
  input  logic             clk_i,
  input  logic [WIDTH-1:0] in_i,
  output logic [WIDTH-1:0] out_o
);
  logic [CYCLES*WIDTH-1:0] line; // stage 0 is the input
  logic [WIDTH-1:0] late;
  assign line[WIDTH-1:0] = in_i;
  for (genvar stage = 1; stage < CYCLES; stage++) begin : g_stage
    always_ff @(posedge clk_i) line[stage*WIDTH +: WIDTH] <= line[(stage-1)*WIDTH +: WIDTH];
  end
  assign late = line[(CYCLES-1)*WIDTH +: WIDTH];
  bnn_register #(.WIDTH(WIDTH)) u_last (.clk_i(clk_i), .in_i(late), .out_o(out_o));
endmodule
