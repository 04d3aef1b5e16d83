// Bin-FC: a flat vector of words; on 8-bit pixels, eight bit planes of it.
//
// A window is a whole image. Planes lie interleaved as bnn_fp_conv leaves them (kind PLANES): plane p of word c is word
// 8·c + p. The weights are walked once for each plane. No delay from window_i; what comes from the layer alone is
// registered.
module bnn_bin_fc (
  input  logic                  clk_i,
  input  bnn_pkg::layer_t       layer_i,
  input  bnn_types::window_t    window_i,
  output bnn_types::walk_t      walk_o
);
  logic [15:0] words_m1, row_inc_q, weight_row_inc_q, words_m1_q;
  logic [7:0] cols_m1_q;
  logic one_word_q, one_col_q;
  assign words_m1 = layer_i.pixel_words - 16'd1;
  always_ff @(posedge clk_i) begin
    row_inc_q        <= 16'd9 - {layer_i.pixel_words[12:0], 3'b000};
    weight_row_inc_q <= 16'd1 - layer_i.pixel_words;
    words_m1_q       <= layer_i.planes ? 16'd0 : words_m1;
    cols_m1_q        <= layer_i.planes ? words_m1[7:0] : 8'd0;
    one_word_q       <= layer_i.planes || words_m1 == 16'd0;
    one_col_q        <= !layer_i.planes || words_m1[7:0] == 8'd0;
  end

  always_comb begin
    walk_o = '0;
    walk_o.addr           = window_i.addr;
    walk_o.col_inc        = 16'd8;
    walk_o.row_inc        = row_inc_q;
    walk_o.weight_row_inc = weight_row_inc_q;
    walk_o.words_m1       = words_m1_q;
    walk_o.cols_m1        = cols_m1_q;
    walk_o.rows_m1        = layer_i.planes ? 3'd7 : 3'd0;
    walk_o.one_word       = one_word_q;
    walk_o.one_col        = one_col_q;
    walk_o.planes         = layer_i.planes;
    walk_o.values         = window_i.values;
    walk_o.out_addr       = window_i.out_addr;
    walk_o.out_part       = window_i.out_part;
    walk_o.pool_first     = 1'b1;
    walk_o.pool_last      = 1'b1;
    walk_o.tile_last      = window_i.tile_last;
  end
endmodule
