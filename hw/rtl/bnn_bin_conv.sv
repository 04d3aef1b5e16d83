// Bin-Conv: the window of a binary convolution as a nest of kernel rows × kernel columns × channel words. No delay.
module bnn_bin_conv (
  input  bnn_pkg::layer_t       layer_i,
  input  bnn_types::window_t    window_i,
  output bnn_types::walk_t      walk_o
);
  always_comb begin
    walk_o = '0;
    walk_o.addr           = window_i.addr;
    walk_o.col_inc        = 16'd1;
    walk_o.row_inc        = layer_i.row_words - window_i.row_span + 16'd1;
    walk_o.weight         = window_i.skipped;
    walk_o.weight_row_inc = layer_i.kernel_row_words - window_i.row_span + 16'd1;
    walk_o.words_m1       = layer_i.pixel_words - 16'd1;
    walk_o.cols_m1        = 8'(window_i.cols_m1);
    walk_o.rows_m1        = window_i.rows_m1;
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
