// Second level of the popcount: six bits of one weight make a three-bit count (6:3 compressors).
//
// For g in 0…3: count_o[g + 4·k] is bit k of the sum of in_i[g], in_i[g + 4], …, in_i[g + 20].
// Each output is a function of six inputs, one LUT6. Latency 1.
module bnn_compress (
  input  logic        clk_i,
  input  logic [23:0] in_i,
  output logic [11:0] count_o
);
  logic [3:0] sum_a, carry_a, sum_b, carry_b, carry;

  assign sum_a   = in_i[3:0] ^ in_i[7:4] ^ in_i[11:8];
  assign carry_a = (in_i[3:0] & in_i[7:4]) | (in_i[3:0] & in_i[11:8]) | (in_i[7:4] & in_i[11:8]);
  assign sum_b   = in_i[15:12] ^ in_i[19:16] ^ in_i[23:20];
  assign carry_b = (in_i[15:12] & in_i[19:16]) | (in_i[15:12] & in_i[23:20]) | (in_i[19:16] & in_i[23:20]);
  assign carry   = sum_a & sum_b;

  always_ff @(posedge clk_i) begin
    count_o <= {(carry_a & carry_b) | (carry_a & carry) | (carry_b & carry), carry_a ^ carry_b ^ carry, sum_a ^ sum_b};
  end
endmodule
