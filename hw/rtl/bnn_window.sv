// FP-Conv's pixel window of one lane: 64 bytes are gathered while the bit planes of 64 others are used.
//
// A word of eight pixel bytes is rotated by rotate_i in cycle 0; in cycle 1 its bytes are put where take_i says.
// swap_i, in cycle 0, makes the gathered window the used one in cycle 1 and fills the other with padding (0 or 128).
// plane_o is the used window's bit plane plane_i, 0 the most significant, without delay.
module bnn_window (
  input  logic        clk_i,
  input  logic [63:0] word_i,    // cycle 0
  input  logic [2:0]  rotate_i,  // cycle 0
  input  logic        swap_i,    // cycle 0
  input  logic [63:0] take_i,    // cycle 1
  input  logic        pad_i,     // most significant bit of the padding
  input  logic [2:0]  plane_i,
  output logic [63:0] plane_o
);
  // By 4, 2 and 1 bytes; an index computed for each byte would become a subtractor.
  logic [63:0] by_four, by_two, rotated_q;
  assign by_four = rotate_i[2] ? {word_i[31:0], word_i[63:32]} : word_i;
  assign by_two  = rotate_i[1] ? {by_four[47:0], by_four[63:48]} : by_four;
  always_ff @(posedge clk_i) rotated_q <= rotate_i[0] ? {by_two[55:0], by_two[63:56]} : by_two;

  for (genvar k = 0; k < 8; k++) begin : g_row
    bnn_window_row u_row (
      .clk_i(clk_i), .bytes_i(rotated_q), .take_i(take_i[8*k +: 8]), .swap_i(swap_i), .pad_i(pad_i), .plane_i(plane_i),
      .plane_o(plane_o[8*k +: 8])
    );
  end
endmodule
