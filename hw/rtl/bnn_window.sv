// FP-Conv's pixel window of one lane: 64 bytes are gathered while the bit planes of 64 others are used.
//
// A word of eight pixel bytes is rotated by rotate_i in cycle 0; in cycle 1 its bytes are put where take_i says.
// swap_i, also in cycle 1, makes the gathered window the used one and fills the other with padding (0 or 128).
// plane_o is the used window's bit plane plane_i, 0 the most significant, without delay.
module bnn_window (
  input  logic        clk_i,
  input  logic [63:0] word_i,    // cycle 0
  input  logic [2:0]  rotate_i,  // cycle 0
  input  logic [63:0] take_i,    // cycle 1
  input  logic        swap_i,    // cycle 1
  input  logic        pad_i,     // most significant bit of the padding
  input  logic [2:0]  plane_i,
  output logic [63:0] plane_o
);
  logic [63:0] rotated_q;
  always_ff @(posedge clk_i) begin
    for (int j = 0; j < 8; j++) rotated_q[8*j +: 8] <= word_i[8*(3'(j) - rotate_i) +: 8];
  end

  for (genvar m = 0; m < 64; m++) begin : g_byte
    logic [7:0] next_q, used_q;
    always_ff @(posedge clk_i) begin
      if (swap_i) next_q <= {pad_i, 7'b0};
      else if (take_i[m]) next_q <= rotated_q[8*(m%8) +: 8];
      if (swap_i) used_q <= next_q;
    end
    assign plane_o[m] = used_q[3'd7 - plane_i];
  end
endmodule
