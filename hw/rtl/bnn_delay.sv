// A fixed delay: out_o is in_i of CYCLES cycles before. No reset, so it becomes shift-register LUTs.
module bnn_delay #(
  parameter int WIDTH = 1,
  parameter int CYCLES = 1
) (
  input  logic             clk_i,
  input  logic [WIDTH-1:0] in_i,
  output logic [WIDTH-1:0] out_o
);
  logic [CYCLES*WIDTH-1:0] line_q;

  if (CYCLES == 1) begin : g_one
    always_ff @(posedge clk_i) line_q <= in_i;
  end else begin : g_line
    always_ff @(posedge clk_i) line_q <= {line_q[(CYCLES-1)*WIDTH-1:0], in_i};
  end
  assign out_o = line_q[CYCLES*WIDTH-1-:WIDTH];
endmodule
