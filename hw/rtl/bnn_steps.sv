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
  logic [15:0] addr_q, words_q, base_q, tile_q;
  logic [7:0] col_q, cols_q;
  logic [2:0] row_q, rows_q, gap_q;
  logic [1:0] part_q;
  logic [4:0] shift_q;
  logic first_q, row_first_q;

  // Ends of the loops, innermost first; each is found when its counter gets there, not when it is needed.
  logic part_end, word_end_q, col_end_q, row_end_q, one_word_q, one_col_q, walk_end, shift_end_q, last_tile_q;
  assign part_end = part_q == 2'(PARTS - 1);
  assign walk_end = part_end && word_end_q && col_end_q && row_end_q;

  // A step goes when its ring row is there; kind PLANES has none. Rows are compared a cycle before: all_here_q for the
  // whole tile, can_go_q also for the row of a step that has been waiting, so that the comparison is in nobody's way.
  logic copies_q, score_q, go, take, walk_done, tile_done, all_here, all_here_q, can_go_q;
  logic stepping_q, walking_q, shifting_q; // of state_q
  logic [15:0] rows_m1_q;
  logic signed [15:0] tile_row_q, last_row_q, here_m1_q;
  assign go       = stepping_q && can_go_q;
  assign all_here = state_q != IDLE && (state_q != WAIT || gap_q == 3'd0) && rows_i > rows_m1_q;
  always_ff @(posedge clk_i) begin
    copies_q   <= layer_i.kind == bnn_pkg::KIND_PLANES;
    score_q    <= layer_i.score;
    rows_m1_q  <= layer_i.rows - 16'd1;
    last_row_q <= layer_i.rows - 16'd2;
    here_m1_q  <= rows_i - 16'd1;
    all_here_q <= rst_ni && all_here;
    can_go_q   <= rst_ni && (copies_q || all_here || (stepping_q && !can_go_q && here_m1_q > tile_row_q));
  end
  assign starved_o = stepping_q && !can_go_q;

  // What ready_o needs is known a cycle before, too: more_q, the step at hand ends its walk but not its tile.
  logic taking_q, more_q;
  assign walk_done = can_go_q && (shifting_q && shift_end_q || walking_q && walk_end && !score_q);
  assign tile_done = walk_done && walk_q.tile_last;
  assign ready_o   = taking_q || (more_q && can_go_q);
  assign take      = ready_o && valid_i;

  state_e state_d;
  always_comb begin
    state_d = state_q;
    case (state_q)
      THRESHOLDS: if (go) state_d = TAKE;
      TAKE: if (valid_i) state_d = WALK;
      WALK: if (go && walk_end) state_d = score_q ? SHIFT : walk_q.tile_last ? WAIT : valid_i ? WALK : TAKE;
      SHIFT: if (go && shift_end_q) state_d = walk_q.tile_last ? WAIT : valid_i ? WALK : TAKE;
      WAIT: if (gap_q == 3'(GAP - 2)) state_d = last_tile_q ? IDLE : THRESHOLDS;
      default: ;
    endcase
    if (start_i) state_d = copies_q ? TAKE : THRESHOLDS;
    if (!rst_ni) state_d = IDLE;
  end

  // Rows that no window used, at the border of a small map, have to come before they can be given back.
  logic gap_begins;
  assign gap_begins = state_q == WAIT && gap_q == 3'd0 && (all_here_q || copies_q);
  always_ff @(posedge clk_i) begin
    state_q     <= state_d;
    taking_q    <= state_d == TAKE;
    walking_q   <= state_d == WALK;
    shifting_q  <= state_d == SHIFT;
    stepping_q  <= state_d == THRESHOLDS || state_d == WALK || state_d == SHIFT;
    done_o      <= rst_ni && state_q == WAIT && gap_q == 3'(GAP - 2) && last_tile_q;
    release_o   <= rst_ni && gap_begins && !copies_q;
    last_tile_q <= tile_q == layer_i.tiles;
    if (state_q != WAIT) gap_q <= 3'd0;
    else if (gap_begins || gap_q != 3'd0) gap_q <= gap_q + 3'd1;
    if (start_i) tile_q <= 16'd1;
    else if (state_q == WAIT && gap_q == 3'(GAP - 2)) tile_q <= tile_q + 16'd1;
  end

  // Counters of the nest: words_q, cols_q and rows_q count down to its ends, col_q and row_q say where it is.
  logic word_end_d, col_end_d, row_end_d, part_end_d, next_word, next_col, next_row, walk_end_d;
  assign next_word  = part_end;
  assign next_col   = part_end && word_end_q;
  assign next_row   = part_end && word_end_q && col_end_q;
  assign part_end_d = PARTS == 1 || part_q + 2'd1 == 2'(PARTS - 1);
  assign word_end_d = !next_word ? word_end_q : word_end_q ? one_word_q : words_q == 16'd1;
  assign col_end_d  = !next_col ? col_end_q : col_end_q ? one_col_q : cols_q == 8'd1;
  assign row_end_d  = !next_row ? row_end_q : rows_q == 3'd1;
  assign walk_end_d = part_end_d && word_end_d && col_end_d && row_end_d;
  always_ff @(posedge clk_i) begin
    if (take) begin
      walk_q  <= walk_i;
      addr_q  <= walk_i.addr;
      {first_q, row_first_q} <= 2'b11;
      {col_q, row_q, part_q} <= '0;
      {words_q, cols_q, rows_q} <= {walk_i.words_m1, walk_i.cols_m1, walk_i.rows_m1};
      {word_end_q, one_word_q}  <= {2{walk_i.one_word}};
      {col_end_q, one_col_q}    <= {2{walk_i.one_col}};
      row_end_q <= walk_i.rows_m1 == 3'd0;
      more_q    <= PARTS == 1 && walk_i.one_word && walk_i.one_col && walk_i.rows_m1 == 3'd0 && !walk_i.tile_last
                   && !score_q;
    end else if (walking_q && can_go_q) begin
      part_q      <= part_end ? 2'd0 : part_q + 2'd1;
      first_q     <= 1'b0;
      row_first_q <= next_row;
      word_end_q  <= word_end_d;
      col_end_q   <= col_end_d;
      row_end_q   <= row_end_d;
      if (next_word) begin
        words_q <= word_end_q ? walk_q.words_m1 : words_q - 16'd1;
        addr_q  <= addr_q + (!word_end_q ? 16'd1 : !col_end_q ? walk_q.col_inc : walk_q.row_inc);
      end
      if (next_col) begin
        col_q  <= col_end_q ? 8'd0 : col_q + 8'd1;
        cols_q <= col_end_q ? walk_q.cols_m1 : cols_q - 8'd1;
      end
      if (next_row) begin
        row_q  <= row_q + 3'd1;
        rows_q <= rows_q - 3'd1;
      end
      more_q <= walk_end_d && !walk_end && !walk_q.tile_last && !score_q;
    end else if (shifting_q && can_go_q) begin
      more_q <= shift_q == 5'(ACC_WIDTH - 3) && !walk_q.tile_last;
    end
    if (!shifting_q) {shift_q, shift_end_q} <= {5'd0, ACC_WIDTH == 2};
    else if (go) {shift_q, shift_end_q} <= {shift_q + 5'd1, shift_q == 5'(ACC_WIDTH - 3)};
    if (!rst_ni || start_i) more_q <= 1'b0;
  end

  // The step's row within the tile: -1 thresholds, then weights, the last one of ones for scores.
  always_ff @(posedge clk_i) begin
    if (start_i || tile_done) tile_row_q <= -16'sd1;
    else if (take) tile_row_q <= walk_i.weight;
    else if (walking_q && can_go_q && walk_end) tile_row_q <= last_row_q;
    else if (walking_q && can_go_q && part_end) begin
      tile_row_q <= tile_row_q + (word_end_q && col_end_q ? walk_q.weight_row_inc : 16'd1);
    end
  end

  // The tile's first weight row, behind its thresholds.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) base_q <= 16'd1;
    else if (release_o) base_q <= (base_q + layer_i.rows) & 16'(RING_DEPTH - 1);
  end

  // The step.
  logic outside;
  assign outside = walk_q.check
    && (row_q < walk_q.y0 || row_q > walk_q.y1 || col_q[2:0] < walk_q.x0 || col_q[2:0] > walk_q.x1);
  logic [2:0] sel;
  always_comb begin
    if (shifting_q) sel = bnn_types::SEL_ZERO;
    else if (walk_q.from_window) sel = bnn_types::SEL_PLANE;
    else if (outside) sel = word_end_q ? bnn_types::SEL_MASK : bnn_types::SEL_ONES;
    else sel = bnn_types::SEL_BUFFER;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      step_o <= '0;
    end else begin
      step_o.valid      <= go && !copies_q;
      step_o.thresholds <= go && state_q == THRESHOLDS;
      step_o.row        <= base_q + tile_row_q;
      step_o.part       <= part_q;
      step_o.read       <= can_go_q && walking_q && sel == bnn_types::SEL_BUFFER;
      step_o.addr       <= addr_q;
      step_o.sel        <= sel;
      step_o.plane      <= row_q;
      step_o.first      <= first_q && walking_q;
      step_o.twice     <= shifting_q || (walk_q.planes && row_first_q);
      step_o.last       <= go && !copies_q && (shifting_q || (walking_q && walk_end));
      step_o.pool_first <= walk_q.pool_first;
      step_o.copy       <= walk_q.copy;
      step_o.write      <= go && (shifting_q || (walking_q && (copies_q ? part_end : walk_end)))
                           && walk_q.pool_last;
      step_o.values     <= walk_q.values;
      step_o.out_addr   <= walk_q.out_addr + (shifting_q ? 16'(shift_q) + 16'd1
                                              : walk_q.copy ? 16'(row_q) : 16'd0);
      step_o.out_part   <= walk_q.out_part;
    end
  end

  // What no header that the scheduler wrote can do; found before anything is stored under a wrong address.
  always_ff @(posedge clk_i) begin
    range_o <= rst_ni && ((step_o.read && step_o.addr >= 16'(BUFFER_DEPTH))
                          || (step_o.write && step_o.out_addr >= 16'(BUFFER_DEPTH))
                          || (stepping_q && !copies_q && tile_row_q > last_row_q));
  end
endmodule
