// One cycle of delay, in a module of its own so that synthesis leaves it a flip-flop, whatever lies before it.
module bnn_register #(
  parameter int WIDTH = 1
) (
  input  logic             clk_i,
  input  logic [WIDTH-1:0] in_i,
  output logic [WIDTH-1:0] out_o
);
  always_ff @(posedge clk_i) out_o <= in_i;
endmodule
