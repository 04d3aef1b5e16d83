// One step of the array a cycle: walks the nests of loops that the walkers describe, tile after tile.
//
// A tile of the ring is a threshold row, weight rows and, for scores, a row of ones. Steps wait for their ring row
// alone (rows_i tells how many of the tile have come), never for a whole tile. Behind a tile the pipeline runs GAP
// cycles until its thresholds can be replaced, and its rows are given back.
// Scores leave as bit planes: ACC_WIDTH − 1 steps shift a finished sum left, and its sign is written each time.
module bnn_steps #(
  parameter int SIMD = 64,
  parameter int RING_DEPTH = 512,
  parameter int BUFFER_DEPTH = 4096,
  parameter int ACC_WIDTH = 20
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  start_i,    // a layer begins; layer_i is settled
  input  bnn_pkg::layer_t       layer_i,
  output logic                  done_o,     // high for a cycle when the last step is out
  input  logic                  valid_i,
  output logic                  ready_o,
  input  bnn_types::walk_t      walk_i,
  input  logic [15:0]           rows_i,     // rows of the ring that have arrived and were not given back
  output logic                  release_o,  // give back layer_i.rows of them
  output bnn_types::step_t      step_o,
  output logic                  range_o,    // an address beyond the buffer or a weight beyond the tile was met
  output logic                  starved_o   // a step waits for parameters
);
  localparam int PARTS = 64 / SIMD;
  localparam int GAP = 6;
  typedef enum logic [2:0] {IDLE, THRESHOLDS, TAKE, WALK, SHIFT, WAIT} state_e;
  state_e state_q;

  bnn_types::walk_t walk_q;
  logic [15:0] addr_q, word_q, base_q, tile_q;
  logic [7:0] col_q;
  logic [2:0] row_q;
  logic [1:0] part_q;
  logic [4:0] shift_q;
  logic [2:0] gap_q;
  logic first_q;

  // Ends of the loops, innermost first.
  logic part_end, word_end, col_end, row_end, walk_end, shift_end;
  assign part_end  = part_q == 2'(PARTS - 1);
  assign word_end  = word_q == walk_q.words_m1;
  assign col_end   = col_q == walk_q.cols_m1;
  assign row_end   = row_q == walk_q.rows_m1;
  assign walk_end  = part_end && word_end && col_end && row_end;
  assign shift_end = shift_q == 5'(ACC_WIDTH - 2);

  // A step goes when its ring row is there; kind PLANES has none. Rows are compared a cycle before: all_here_q for the
  // whole tile, here_q for the row of a step that has been waiting, so that the comparison is in nobody's way.
  logic copies, stepping, go, take, walk_done, tile_done, all_here_q, here_q;
  logic [15:0] tile_row_q, last_row_q;
  assign copies   = layer_i.kind == bnn_pkg::KIND_PLANES;
  assign stepping = state_q == THRESHOLDS || state_q == WALK || state_q == SHIFT;
  assign go       = stepping && (all_here_q || here_q || copies);
  always_ff @(posedge clk_i) begin
    last_row_q <= layer_i.rows - 16'd1;
    all_here_q <= rst_ni && state_q != IDLE && (state_q != WAIT || gap_q == 3'd0) && rows_i > last_row_q;
    here_q     <= rst_ni && stepping && !go && rows_i > tile_row_q;
  end
  assign starved_o = stepping && !go;
  assign walk_done = go && (layer_i.score ? state_q == SHIFT && shift_end : state_q == WALK && walk_end);
  assign tile_done = walk_done && walk_q.tile_last;
  assign ready_o   = state_q == TAKE || (walk_done && !walk_q.tile_last);
  assign take      = ready_o && valid_i;

  always_ff @(posedge clk_i) begin
    done_o    <= 1'b0;
    release_o <= 1'b0;
    if (!rst_ni) begin
      state_q <= IDLE;
    end else if (start_i) begin
      state_q <= copies ? TAKE : THRESHOLDS;
      tile_q  <= 16'd1;
    end else if (state_q == THRESHOLDS && go) begin
      state_q <= TAKE;
    end else if (tile_done) begin
      state_q <= WAIT;
      gap_q   <= 3'd0;
    end else if (ready_o) begin
      state_q <= valid_i ? WALK : TAKE;
    end else if (state_q == WALK && go && walk_end) begin
      state_q <= SHIFT;
    end else if (state_q == WAIT && (gap_q != 3'd0 || all_here_q || copies)) begin
      // Rows that no window used, at the border of a small map, have to come before they can be given back.
      release_o <= gap_q == 3'd0 && !copies;
      gap_q     <= gap_q + 3'd1;
      if (gap_q == 3'(GAP - 2)) begin
        state_q <= tile_q == layer_i.tiles ? IDLE : THRESHOLDS;
        done_o  <= tile_q == layer_i.tiles;
        tile_q  <= tile_q + 16'd1;
      end
    end
  end

  // Counters of the nest.
  always_ff @(posedge clk_i) begin
    if (take) begin
      walk_q   <= walk_i;
      addr_q   <= walk_i.addr;
      first_q  <= 1'b1;
      {word_q, col_q, row_q, part_q, shift_q} <= '0;
    end else if (state_q == WALK && go) begin
      part_q  <= part_end ? 2'd0 : part_q + 2'd1;
      first_q <= 1'b0;
      if (part_end) begin
        word_q   <= word_end ? 16'd0 : word_q + 16'd1;
        addr_q   <= addr_q + (!word_end ? 16'd1 : !col_end ? walk_q.col_inc : walk_q.row_inc);
        if (word_end) col_q <= col_end ? 8'd0 : col_q + 8'd1;
        if (word_end && col_end) row_q <= row_q + 3'd1;
      end
    end else if (go) begin
      shift_q <= shift_q + 5'd1;
    end
  end

  // The step's row within the tile: 0 thresholds, then weights, the last one of ones for scores.
  always_ff @(posedge clk_i) begin
    if (start_i || tile_done) tile_row_q <= '0;
    else if (take) tile_row_q <= walk_i.weight + 16'd1;
    else if (state_q == WALK && go && walk_end) tile_row_q <= last_row_q;
    else if (state_q == WALK && go && part_end) begin
      tile_row_q <= tile_row_q + (word_end && col_end ? walk_q.weight_row_inc : 16'd1);
    end
  end

  // The ring as far as it was given back.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) base_q <= '0;
    else if (release_o) base_q <= (base_q + layer_i.rows) & 16'(RING_DEPTH - 1);
  end

  // The step.
  logic outside;
  assign outside = walk_q.check
    && (row_q < walk_q.y0 || row_q > walk_q.y1 || col_q[2:0] < walk_q.x0 || col_q[2:0] > walk_q.x1);
  logic [2:0] sel;
  always_comb begin
    if (state_q == SHIFT) sel = bnn_types::SEL_ZERO;
    else if (walk_q.from_window) sel = bnn_types::SEL_PLANE;
    else if (outside) sel = word_end ? bnn_types::SEL_MASK : bnn_types::SEL_ONES;
    else sel = bnn_types::SEL_BUFFER;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      step_o <= '0;
    end else begin
      step_o.valid      <= go && !copies;
      step_o.thresholds <= go && state_q == THRESHOLDS;
      step_o.row        <= base_q + tile_row_q;
      step_o.part       <= part_q;
      step_o.read       <= go && state_q == WALK && sel == bnn_types::SEL_BUFFER;
      step_o.addr       <= addr_q;
      step_o.sel        <= sel;
      step_o.plane      <= row_q;
      step_o.first      <= first_q && state_q == WALK;
      step_o.twice     <= state_q == SHIFT || (walk_q.planes && word_q == '0 && col_q == '0 && part_q == '0);
      step_o.last       <= go && !copies && (state_q == SHIFT || (state_q == WALK && walk_end));
      step_o.pool_first <= walk_q.pool_first;
      step_o.copy       <= walk_q.copy;
      step_o.write      <= go && (state_q == SHIFT || (state_q == WALK && (copies ? part_end : walk_end)))
                           && walk_q.pool_last;
      step_o.values     <= walk_q.values;
      step_o.out_addr   <= walk_q.out_addr + (state_q == SHIFT ? 16'(shift_q) + 16'd1
                                              : walk_q.copy ? 16'(row_q) : 16'd0);
      step_o.out_part   <= walk_q.out_part;
    end
  end

  // What no header that the scheduler wrote can do; found before anything is stored under a wrong address.
  always_ff @(posedge clk_i) begin
    range_o <= rst_ni && ((step_o.read && step_o.addr >= 16'(BUFFER_DEPTH))
                          || (step_o.write && step_o.out_addr >= 16'(BUFFER_DEPTH))
                          || (stepping && !copies && tile_row_q > last_row_q));
  end
endmodule
