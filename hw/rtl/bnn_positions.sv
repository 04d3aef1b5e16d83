// Visits every position of a layer's window: tiles, images of the lane, output pixels, pixels of a pool window.
//
// The positions of a pool window follow each other, so pooling is an OR in a register. start_i (one cycle, layer_i and
// slots_i settled) begins a layer; then comes one position for each valid and ready, to the last of the last tile.
// A Bin-FC layer is a map of one pixel.
module bnn_positions #(
  parameter int PE = 32,
  parameter int ACC_WIDTH = 20
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  start_i,
  input  bnn_pkg::layer_t       layer_i,
  input  logic [15:0]           slots_i,
  output logic                  valid_o,
  input  logic                  ready_i,
  output bnn_types::position_t  position_o
);
  localparam logic [2:0] LAST_PART = 3'(64 / PE - 1);

  // Loop counters: how many more come after this one, whether none does, and where they start again.
  logic [15:0] tile_q, slot_q, y_q, x_q, slot_from_q, y_from_q, x_from_q;
  logic [1:0] pool_y_q, pool_x_q, pool_from_q, pool_from;
  logic tile_end_q, slot_end_q, y_end_q, x_end_q, pool_y_end_q, pool_x_end_q, pool_first_q;
  logic one_slot_q, one_row_q, one_column_q, one_pixel_q;
  assign pool_from = layer_i.pool_log2 == 2'd2 ? 2'd3 : layer_i.pool_log2;

  // The end of a loop with all loops inside it enables most registers here, so it is a register too, found a position
  // before. Values after this position:
  logic pool_end_q, row_end_q, map_end_q, lane_end_q;
  logic pool_x_end_d, pool_y_end_d, x_end_d, y_end_d, slot_end_d;
  assign pool_x_end_d = pool_x_end_q ? one_pixel_q : pool_x_q == 2'd1;
  assign pool_y_end_d = !pool_x_end_q ? pool_y_end_q : pool_y_end_q ? one_pixel_q : pool_y_q == 2'd1;
  assign x_end_d      = !pool_end_q ? x_end_q : x_end_q ? one_column_q : x_q == 16'd1;
  assign y_end_d      = !row_end_q ? y_end_q : y_end_q ? one_row_q : y_q == 16'd1;
  assign slot_end_d   = !map_end_q ? slot_end_q : slot_end_q ? one_slot_q : slot_q == 16'd1;

  // Where the counters stand on the maps.
  logic signed [15:0] top_q, left_q, edge_q, back_q;
  logic [15:0] stride, base_q, tile_out_q, slot_out_q, out_q;
  logic [2:0] part_q;
  logic valid_q;
  assign stride = 16'(layer_i.stride);

  logic advance;
  assign advance = valid_q && ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
    end else if (start_i) begin
      valid_q <= 1'b1;
    end else if (advance && lane_end_q && tile_end_q) begin
      valid_q <= 1'b0;
    end
  end

  // A counter's end is found when it gets there, not when it is needed.
  logic one_slot, one_row, one_column, one_pixel;
  assign one_slot   = slots_i == 16'd1;
  assign one_row    = layer_i.out_height == 16'd1;
  assign one_column = layer_i.out_width == 16'd1;
  assign one_pixel  = pool_from == 2'd0;
  always_ff @(posedge clk_i) begin
    if (start_i) begin
      {tile_q, tile_end_q} <= {layer_i.tiles - 16'd1, layer_i.tiles == 16'd1};
      slot_q   <= slots_i - 16'd1;
      y_q      <= layer_i.out_height - 16'd1;
      x_q      <= layer_i.out_width - 16'd1;
      pool_y_q <= pool_from;
      pool_x_q <= pool_from;
      {slot_from_q, y_from_q}    <= {slots_i - 16'd1, layer_i.out_height - 16'd1};
      {x_from_q, pool_from_q}    <= {layer_i.out_width - 16'd1, pool_from};
      {one_slot_q, one_row_q}    <= {one_slot, one_row};
      {one_column_q, one_pixel_q} <= {one_column, one_pixel};
      {slot_end_q, y_end_q, x_end_q, pool_y_end_q, pool_x_end_q} <= {one_slot, one_row, one_column, {2{one_pixel}}};
      pool_end_q   <= one_pixel;
      row_end_q    <= one_pixel && one_column;
      map_end_q    <= one_pixel && one_column && one_row;
      lane_end_q   <= one_pixel && one_column && one_row && one_slot;
      pool_first_q <= 1'b1;
    end else if (advance) begin
      {slot_end_q, y_end_q, x_end_q}  <= {slot_end_d, y_end_d, x_end_d};
      {pool_y_end_q, pool_x_end_q}    <= {pool_y_end_d, pool_x_end_d};
      pool_end_q   <= pool_x_end_d && pool_y_end_d;
      row_end_q    <= pool_x_end_d && pool_y_end_d && x_end_d;
      map_end_q    <= pool_x_end_d && pool_y_end_d && x_end_d && y_end_d;
      lane_end_q   <= pool_x_end_d && pool_y_end_d && x_end_d && y_end_d && slot_end_d;
      pool_first_q <= pool_end_q;
      pool_x_q <= pool_x_end_q ? pool_from_q : pool_x_q - 2'd1;
      if (pool_x_end_q) pool_y_q <= pool_y_end_q ? pool_from_q : pool_y_q - 2'd1;
      if (pool_end_q) x_q <= x_end_q ? x_from_q : x_q - 16'd1;
      if (row_end_q) y_q <= y_end_q ? y_from_q : y_q - 16'd1;
      if (map_end_q) slot_q <= slot_end_q ? slot_from_q : slot_q - 16'd1;
      if (lane_end_q) {tile_q, tile_end_q} <= {tile_q - 16'd1, tile_q == 16'd1};
    end
  end

  // First tap's row and column; back_q = stride · (pool − 1) steps back to a pool window's first row or column.
  always_ff @(posedge clk_i) begin
    if (start_i) begin
      edge_q <= 16'd0 - 16'(layer_i.padding);
      back_q <= layer_i.pool_log2 == 2'd0 ? 16'd0 : layer_i.pool_log2 == 2'd1 ? stride : stride * 16'd3;
      top_q  <= 16'd0 - 16'(layer_i.padding);
      left_q <= 16'd0 - 16'(layer_i.padding);
    end else if (advance) begin
      if (!pool_x_end_q) left_q <= left_q + stride;
      else if (!pool_y_end_q) left_q <= left_q - back_q;
      else left_q <= x_end_q ? edge_q : left_q + stride;

      if (pool_x_end_q && !pool_y_end_q) top_q <= top_q + stride;
      else if (pool_end_q && !x_end_q) top_q <= top_q - back_q;
      else if (row_end_q) top_q <= y_end_q ? edge_q : top_q + stride;
    end
  end

  // Words: where the image begins, where the output goes. Scores take ACC_WIDTH words for each word of classes.
  logic [15:0] tile_step;
  assign tile_step = layer_i.score ? 16'(ACC_WIDTH) : 16'd1;
  always_ff @(posedge clk_i) begin
    if (start_i) begin
      base_q     <= layer_i.in_base;
      out_q      <= layer_i.out_base;
      slot_out_q <= layer_i.out_base;
      tile_out_q <= layer_i.out_base;
      part_q     <= '0;
    end else if (advance && lane_end_q) begin
      base_q     <= layer_i.in_base;
      part_q     <= part_q == LAST_PART ? 3'd0 : part_q + 3'd1;
      if (part_q == LAST_PART) begin
        tile_out_q <= tile_out_q + tile_step;
        slot_out_q <= tile_out_q + tile_step;
        out_q      <= tile_out_q + tile_step;
      end else begin
        slot_out_q <= tile_out_q;
        out_q      <= tile_out_q;
      end
    end else if (advance && map_end_q) begin
      base_q     <= base_q + layer_i.in_stride;
      slot_out_q <= slot_out_q + layer_i.out_stride;
      out_q      <= slot_out_q + layer_i.out_stride;
    end else if (advance && pool_end_q) begin
      out_q      <= out_q + layer_i.out_pixel_words;
    end
  end

  assign valid_o = valid_q;
  always_comb begin
    position_o.base       = base_q;
    position_o.y          = top_q;
    position_o.x          = left_q;
    position_o.out_addr   = out_q;
    position_o.out_part   = part_q;
    position_o.pool_first = pool_first_q;
    position_o.pool_last  = pool_end_q;
    position_o.tile_last  = lane_end_q;
  end
endmodule
