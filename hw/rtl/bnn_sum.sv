// Last level of the popcount: eight three-bit counts make one seven-bit sum.
//
// sum_o = Σ_g ones[g] + 2·twos[g], where ones[g] and twos[g] are counts as bnn_compress gives them. Latency 2,
// compressors column by column; the last addition, a short carry chain, is left to the accumulator's register.
module bnn_sum (
  input  logic        clk_i,
  input  logic [11:0] ones_i,
  input  logic [11:0] twos_i,
  output logic [6:0]  sum_o
);
  // Columns of weight 1, 2, 4 and 8: 4, 8, 8 and 3 bits (the last group's count ends at 3).
  logic [3:0] w1;
  logic [2:0] w8;
  logic [7:0] w2, w4;
  assign w1 = ones_i[3:0];
  assign w2 = {ones_i[7:4], twos_i[3:0]};
  assign w4 = {ones_i[11:8], twos_i[7:4]};
  assign w8 = twos_i[10:8];

  // Six bits, and three, to their count.
  function automatic logic [2:0] six(input logic [5:0] v);
    logic sum_a, carry_a, sum_b, carry_b, carry;
    sum_a   = v[0] ^ v[1] ^ v[2];
    carry_a = (v[0] & v[1]) | (v[0] & v[2]) | (v[1] & v[2]);
    sum_b   = v[3] ^ v[4] ^ v[5];
    carry_b = (v[3] & v[4]) | (v[3] & v[5]) | (v[4] & v[5]);
    carry   = sum_a & sum_b;
    six     = {(carry_a & carry_b) | (carry_a & carry) | (carry_b & carry), carry_a ^ carry_b ^ carry, sum_a ^ sum_b};
  endfunction

  function automatic logic [1:0] three(input logic [2:0] v);
    three = {(v[0] & v[1]) | (v[0] & v[2]) | (v[1] & v[2]), v[0] ^ v[1] ^ v[2]};
  endfunction

  logic [2:0] c1_q, c2_q, c4_q;
  logic [1:0] c8_q, rest2_q, rest4_q;
  always_ff @(posedge clk_i) begin
    c1_q    <= six({2'b00, w1});
    c2_q    <= six(w2[5:0]);
    c4_q    <= six(w4[5:0]);
    c8_q    <= three(w8);
    rest2_q <= w2[7:6];
    rest4_q <= w4[7:6];
  end

  // Columns now: 1: c1[0]; 2: c1[1], c2[0], rest2; 4: c1[2], c2[1], c4[0], rest4; 8: c2[2], c4[1], c8[0];
  // 16: c4[2], c8[1].
  logic [2:0] d2, d4;
  logic [1:0] d8, d16;
  assign d2  = six({2'b00, rest2_q, c2_q[0], c1_q[1]});
  assign d4  = six({1'b0, rest4_q, c4_q[0], c2_q[1], c1_q[2]});
  assign d8  = three({c8_q[0], c4_q[1], c2_q[2]});
  assign d16 = {c4_q[2] & c8_q[1], c4_q[2] ^ c8_q[1]};

  // Three bits are left in columns 8 and 16: one more compressor each, then two rows.
  logic [1:0] e8, e16;
  assign e8  = three({d8[0], d4[1], d2[2]});
  assign e16 = three({d16[0], d8[1], d4[2]});

  logic [1:0] low_q;
  logic [4:0] row_a_q, row_b_q;
  always_ff @(posedge clk_i) begin
    low_q   <= {d2[0], c1_q[0]};
    row_a_q <= {1'b0, d16[1], e16[0], e8[0], d2[1]};
    row_b_q <= {1'b0, e16[1], e8[1], 1'b0, d4[0]};
  end

  assign sum_o = {row_a_q + row_b_q, low_q};

endmodule
