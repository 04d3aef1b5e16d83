// Bin-Conv: the window of a binary convolution as a nest of kernel rows × kernel columns × channel words.
//
// No delay from window_i; what comes from the layer alone is registered.
module bnn_bin_conv (
  input  logic                  clk_i,
  input  bnn_pkg::layer_t       layer_i,
  input  bnn_types::window_t    window_i,
  output bnn_types::walk_t      walk_o
);
  logic [15:0] words_m1_q;
  logic one_word_q;
  always_ff @(posedge clk_i) begin
    words_m1_q <= layer_i.pixel_words - 16'd1;
    one_word_q <= layer_i.pixel_words == 16'd1;
  end

  always_comb begin
    walk_o = '0;
    walk_o.addr           = window_i.addr;
    walk_o.col_inc        = 16'd1;
    walk_o.row_inc        = window_i.row_inc;
    walk_o.weight         = window_i.skipped;
    walk_o.weight_row_inc = window_i.weight_row_inc;
    walk_o.words_m1       = words_m1_q;
    walk_o.cols_m1        = 8'(window_i.cols_m1);
    walk_o.rows_m1        = window_i.rows_m1;
    walk_o.one_word       = one_word_q;
    walk_o.one_col        = window_i.cols_m1 == 3'd0;
    walk_o.check          = layer_i.pad_one;
    {walk_o.y0, walk_o.y1} = {window_i.y0, window_i.y1};
    {walk_o.x0, walk_o.x1} = {window_i.x0, window_i.x1};
    walk_o.values         = window_i.values;
    walk_o.out_addr       = window_i.out_addr;
    walk_o.out_part       = window_i.out_part;
    walk_o.pool_first     = window_i.pool_first;
    walk_o.pool_last      = window_i.pool_last;
    walk_o.tile_last      = window_i.tile_last;
  end
endmodule
