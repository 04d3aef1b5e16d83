// A PE of one lane: XNOR, popcount, accumulator, sign, pool.
//
//   acc ← (first ? start : twice ? 2·acc + carry : acc) + popcount(~(act ^ weight))
//   bit = invert ⊕ OR over the pool window of (acc ≥ 0)
//
// `start` carries −threshold, so the sign is the comparison. Words that arrive in cycle 0 are added in cycle 4, so
// start, valid, first, twice and carry belong there; last and the pool's in cycle 5; bit_o is valid from cycle 6.
module bnn_dot #(
  parameter int SIMD = 64,
  parameter int ACC_WIDTH = 20
) (
  input  logic                 clk_i,
  input  logic [SIMD-1:0]      act_i,
  input  logic [SIMD-1:0]      weight_i,
  input  logic [ACC_WIDTH-1:0] start_i,
  input  logic                 valid_i,
  input  logic                 first_i,
  input  logic                 twice_i,
  input  logic                 carry_i,
  input  logic                 last_i,
  input  logic                 pool_first_i,
  input  logic                 invert_i,
  output logic                 bit_o
);
  logic [21:0] one;
  logic [20:0] two;
  logic [11:0] ones, twos;
  logic [6:0] sum, sum_q;

  bnn_xnor_count #(.SIMD(SIMD)) u_xnor_count (
    .act_i(act_i), .weight_i(weight_i), .one_o(one), .two_o(two)
  );
  // The last group of twos gets three bits only, so that it counts to three and bnn_sum need not take a fourth bit.
  bnn_compress u_compress_ones (.clk_i(clk_i), .in_i({2'b00, one}), .count_o(ones));
  bnn_compress u_compress_twos (
    .clk_i(clk_i), .in_i({1'b0, two[20:18], 1'b0, two[17:15], 1'b0, two[14:0]}), .count_o(twos)
  );
  bnn_sum u_sum (.clk_i(clk_i), .ones_i(ones), .twos_i(twos), .sum_o(sum));

  logic [ACC_WIDTH-1:0] acc_q, base;
  assign base = first_i ? start_i : twice_i ? {acc_q[ACC_WIDTH-2:0], carry_i} : acc_q;

  logic positive;
  assign positive = ~acc_q[ACC_WIDTH-1];
  always_ff @(posedge clk_i) begin
    sum_q <= sum;
    if (valid_i) acc_q <= base + ACC_WIDTH'(sum_q);
    if (last_i) bit_o <= pool_first_i ? positive ^ invert_i : invert_i ? bit_o & ~positive : bit_o | positive;
  end
endmodule
