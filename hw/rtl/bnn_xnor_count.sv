// First level of the popcount: three XNORs make a two-bit count.
//
// x = ~(act ^ weight); for j in 0…20: one_o[j] + 2·two_o[j] = x[j] + x[j + 21] + x[j + 42]; one_o[21] = x[63].
// Each output is a function of six inputs, one LUT6. No delay: registers here would be a third of all that the core has,
// and flip-flops without a LUT of their own are what fills the device's slices.
module bnn_xnor_count #(
  parameter int SIMD = 64
) (
  input  logic [SIMD-1:0] act_i,
  input  logic [SIMD-1:0] weight_i,
  output logic [21:0]     one_o,
  output logic [20:0]     two_o
);
  logic [SIMD-1:0] same;
  logic [63:0] x;
  logic [20:0] a, b, c;

  assign same = ~(act_i ^ weight_i);
  assign x = 64'(same);
  assign a = x[20:0];
  assign b = x[41:21];
  assign c = x[62:42];

  assign one_o = {x[63], a ^ b ^ c};
  assign two_o = (a & b) | (a & c) | (b & c);
endmodule
