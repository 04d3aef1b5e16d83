// From a window's position to its first tap inside the map and its extent, for Bin-Conv and FP-Conv.
//
// addr = base + row · row_words + column · pixel_words; the same sum over the kernel is what the window skips. Units
// are words for Bin-Conv and bytes for FP-Conv, whose header gives bytes. Taps in zero padding are left out, which saves
// their cycles; with padding of +1 all stay and bnn_steps replaces those outside. A Bin-FC vector is a window of one tap.
// The pipeline (6 cycles, one window each) never stands: a position is taken only when a place of the queue behind it is
// kept for it, so that no ready signal has to reach all its registers.
module bnn_windows (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  bnn_pkg::layer_t       layer_i,
  input  logic                  valid_i,
  output logic                  ready_o,
  input  bnn_types::position_t  position_i,
  output logic                  valid_o,
  input  logic                  ready_i,
  output bnn_types::window_t    window_o
);
  // Room for what comes in the cycles until a place that was given back is known to be free.
  localparam int DEPTH = 16;
  logic [5:0] valid_q;
  logic [4:0] places_q;
  logic accept, given, queue_valid, slice_ready;
  assign accept  = valid_i && ready_o;
  assign given   = queue_valid && slice_ready;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q  <= '0;
      places_q <= 5'(DEPTH);
      ready_o  <= 1'b0;
    end else begin
      valid_q <= {valid_q[4:0], accept};
      if (accept != given) places_q <= given ? places_q + 5'd1 : places_q - 5'd1;
      ready_o <= places_q > 5'd1 || (places_q == 5'd1 && !accept);
    end
  end

  // The header's fields come from afar; a copy nearby is settled before the first position comes.
  bnn_pkg::layer_t layer_q;
  always_ff @(posedge clk_i) layer_q <= layer_i;

  // 0 and 1: which taps lie inside the map, along each side.
  bnn_types::position_t pos0_q, pos1_q, pos2_q, pos3_q, pos4_q, pos5_q;
  logic [2:0] y0, y1, x0, x1;
  bnn_taps u_rows (
    .clk_i(clk_i), .kernel_i(layer_q.kernel), .size_i(layer_q.in_height), .start_i(position_i.y), .first_o(y0),
    .last_o(y1)
  );
  bnn_taps u_columns (
    .clk_i(clk_i), .kernel_i(layer_q.kernel), .size_i(layer_q.in_width), .start_i(position_i.x), .first_o(x0),
    .last_o(x1)
  );

  // 2: the first tap visited and how many there are.
  logic [2:0] y0_1q, y1_1q, x0_1q, x1_1q, y0_2q, y1_2q, x0_2q, x1_2q, y0_3q, y1_3q, x0_3q, x1_3q;
  logic [2:0] y0_4q, y1_4q, x0_4q, x1_4q, y0_5q, y1_5q, x0_5q, x1_5q;
  logic [2:0] skip_y_2q, skip_x_2q, rows_2q, cols_2q, rows_3q, cols_3q, rows_4q, cols_4q, rows_5q, cols_5q;
  logic [3:0] height_2q, width_2q;
  logic signed [15:0] top_2q, left_2q;
  always_ff @(posedge clk_i) begin
    pos0_q <= position_i;
    pos1_q <= pos0_q;
    {y0_1q, y1_1q, x0_1q, x1_1q} <= {y0, y1, x0, x1};

    pos2_q <= pos1_q;
    {y0_2q, y1_2q, x0_2q, x1_2q} <= {y0_1q, y1_1q, x0_1q, x1_1q};
    skip_y_2q <= layer_q.pad_one ? 3'd0 : y0_1q;
    skip_x_2q <= layer_q.pad_one ? 3'd0 : x0_1q;
    rows_2q   <= layer_q.pad_one ? layer_q.kernel - 3'd1 : y1_1q - y0_1q;
    cols_2q   <= layer_q.pad_one ? layer_q.kernel - 3'd1 : x1_1q - x0_1q;
    height_2q <= layer_q.pad_one ? {1'b0, layer_q.kernel} : {1'b0, y1_1q} - {1'b0, y0_1q} + 4'd1;
    width_2q  <= layer_q.pad_one ? {1'b0, layer_q.kernel} : {1'b0, x1_1q} - {1'b0, x0_1q} + 4'd1;
    top_2q    <= layer_q.pad_one ? pos1_q.y : pos1_q.y + 16'(y0_1q);
    left_2q   <= layer_q.pad_one ? pos1_q.x : pos1_q.x + 16'(x0_1q);
  end

  // 3: products. 4, 5: sums of them, of two numbers each: a sum of three would be two DSPs in a row.
  // Addresses are modulo 2^16: those of taps outside the map are not used.
  logic [15:0] row_3q, col_3q, weight_row_3q, weight_col_3q, offset_4q, base_4q, weight_4q, values_4q;
  logic [5:0] taps_3q;
  logic [15:0] row_span_3q, row_span_4q, row_inc_4q, weight_row_inc_4q;
  logic [15:0] addr_5q, weight_5q, values_5q, row_span_5q, row_inc_5q, weight_row_inc_5q;
  logic bytes;
  assign bytes = layer_q.kind == bnn_pkg::KIND_FP_CONV || layer_q.kind == bnn_pkg::KIND_PLANES;
  always_ff @(posedge clk_i) begin
    pos3_q <= pos2_q;
    {y0_3q, y1_3q, x0_3q, x1_3q} <= {y0_2q, y1_2q, x0_2q, x1_2q};
    {rows_3q, cols_3q} <= {rows_2q, cols_2q};
    row_3q        <= 16'(top_2q * layer_q.row_words);
    col_3q        <= 16'(left_2q * layer_q.pixel_words);
    weight_row_3q <= 16'(skip_y_2q) * layer_q.kernel_row_words;
    weight_col_3q <= 16'(skip_x_2q) * layer_q.pixel_words;
    taps_3q       <= 6'(height_2q) * 6'(width_2q);
    row_span_3q   <= 16'(width_2q) * layer_q.pixel_words;

    pos4_q <= pos3_q;
    {y0_4q, y1_4q, x0_4q, x1_4q} <= {y0_3q, y1_3q, x0_3q, x1_3q};
    {rows_4q, cols_4q} <= {rows_3q, cols_3q};
    offset_4q   <= row_3q + col_3q;
    base_4q     <= bytes ? {pos3_q.base[12:0], 3'b000} : pos3_q.base;
    weight_4q   <= weight_row_3q + weight_col_3q;
    values_4q   <= 16'(taps_3q) * layer_q.tap_values;
    row_span_4q <= row_span_3q;
    row_inc_4q        <= layer_q.row_words - row_span_3q + 16'd1;
    weight_row_inc_4q <= layer_q.kernel_row_words - row_span_3q + 16'd1;

    pos5_q <= pos4_q;
    {y0_5q, y1_5q, x0_5q, x1_5q} <= {y0_4q, y1_4q, x0_4q, x1_4q};
    {rows_5q, cols_5q} <= {rows_4q, cols_4q};
    addr_5q <= base_4q + offset_4q;
    {weight_5q, values_5q, row_span_5q} <= {weight_4q, values_4q, row_span_4q};
    {row_inc_5q, weight_row_inc_5q} <= {row_inc_4q, weight_row_inc_4q};
  end

  bnn_types::window_t window;
  always_comb begin
    window.addr       = addr_5q;
    window.skipped    = weight_5q;
    window.row_span   = row_span_5q;
    window.row_inc    = row_inc_5q;
    window.weight_row_inc = weight_row_inc_5q;
    window.rows_m1    = rows_5q;
    window.cols_m1    = cols_5q;
    window.y0         = y0_5q;
    window.y1         = y1_5q;
    window.x0         = x0_5q;
    window.x1         = x1_5q;
    window.values     = values_5q;
    window.out_addr   = pos5_q.out_addr;
    window.out_part   = pos5_q.out_part;
    window.pool_first = pos5_q.pool_first;
    window.pool_last  = pos5_q.pool_last;
    window.tile_last  = pos5_q.tile_last;
  end

  logic queue_ready;
  logic [$clog2(DEPTH+1)-1:0] queue_used;
  bnn_types::window_t queue_window;
  bnn_fifo #(.WIDTH($bits(window)), .DEPTH(DEPTH)) u_queue (
    .clk_i(clk_i), .rst_ni(rst_ni), .valid_i(valid_q[5]), .ready_o(queue_ready), .data_i(window), .valid_o(queue_valid),
    .ready_i(slice_ready), .data_o(queue_window), .used_o(queue_used)
  );
  bnn_slice #(.WIDTH($bits(window))) u_slice (
    .clk_i(clk_i), .rst_ni(rst_ni), .valid_i(queue_valid), .ready_o(slice_ready), .data_i(queue_window),
    .valid_o(valid_o), .ready_i(ready_i), .data_o(window_o)
  );

`ifndef SYNTHESIS
  assert property (@(posedge clk_i) disable iff (!rst_ni) valid_q[5] |-> queue_ready)
    else $error("bnn_windows: a window without room");
`endif
endmodule
