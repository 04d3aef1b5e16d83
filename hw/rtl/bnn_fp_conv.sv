// FP-Conv: gathers the bytes of a pixel window, then has its eight bit planes walked.
//
// While the planes of one window are used, the next one's bytes are fetched word by word: byte j of a word goes to
// window byte low + j, if that belongs to the window's row. A window of R rows takes 1 + (words of the rows) cycles,
// hidden when that is at most 8. Kind PLANES does the same with 64 pixels in a row, and the planes are written back.
module bnn_fp_conv (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  start_i,
  input  bnn_pkg::layer_t       layer_i,
  input  logic                  valid_i,
  output logic                  ready_o,
  input  bnn_types::window_t    window_i,
  output logic                  valid_o,
  input  logic                  ready_i,
  output bnn_types::walk_t      walk_o,
  output bnn_types::fetch_t     fetch_o,
  output bnn_types::gather_t    gather_o
);
  typedef enum logic [1:0] {IDLE, TAKE, READ, READY} state_e;
  state_e state_q;

  // The row gathered: its place in the buffer, its extent [dest, high) in the window, where a word's byte 0 goes.
  bnn_types::window_t window_q;
  logic [15:0] next_byte_q, first_byte; // of the next row, of the first one
  logic [12:0] word_q;
  logic signed [8:0] low_q, dest_q, next_dest_q, high_q, kernel_row;
  logic [8:0] row_span_q, span_q; // of the window, and from low_q to high_q
  logic [2:0] rows_q;
  logic row_end, used, free, taken_q;
  assign kernel_row = 9'(layer_i.kernel_row_words);
  assign first_byte = window_i.addr;
  assign row_end    = span_q <= 9'd8;
  assign used       = state_q == READY && ready_i;
  assign valid_o    = state_q == READY;
  // The window's place is taken at once; the rest of it, and the window from the queue, a cycle later.
  assign free       = state_q == TAKE || used;
  assign ready_o    = taken_q;

  always_ff @(posedge clk_i) begin
    taken_q <= rst_ni && free && valid_i;
    if (!rst_ni) begin
      state_q <= IDLE;
    end else if (start_i) begin
      state_q <= TAKE;
    end else if (free) begin
      state_q <= valid_i ? READ : TAKE;
    end else if (state_q == READ && row_end && rows_q == 3'd0) begin
      state_q <= READY;
    end
  end

  always_ff @(posedge clk_i) begin
    if (taken_q) window_q <= window_i;
    if (free) begin
      row_span_q <= 9'(window_i.row_span);
      span_q   <= 9'(window_i.row_span) + 9'(first_byte[2:0]);
      next_byte_q <= first_byte + layer_i.row_words;
      word_q   <= first_byte[15:3];
      dest_q   <= 9'(window_i.skipped);
      next_dest_q <= 9'(window_i.skipped) + kernel_row;
      low_q    <= 9'(window_i.skipped) - 9'(first_byte[2:0]);
      high_q   <= 9'(window_i.skipped) + 9'(window_i.row_span);
      rows_q   <= window_i.rows_m1;
    end else if (state_q == READ && !row_end) begin
      word_q <= word_q + 13'd1;
      low_q  <= low_q + 9'sd8;
      span_q <= span_q - 9'd8;
    end else if (state_q == READ) begin
      next_byte_q <= next_byte_q + layer_i.row_words;
      next_dest_q <= next_dest_q + kernel_row;
      word_q <= next_byte_q[15:3];
      dest_q <= next_dest_q;
      low_q  <= next_dest_q - 9'(next_byte_q[2:0]);
      high_q <= high_q + kernel_row;
      span_q <= row_span_q + 9'(next_byte_q[2:0]);
      rows_q <= rows_q - 3'd1;
    end
  end

  // The first swap of a layer only fills the window with padding.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      fetch_o.read  <= 1'b0;
      gather_o.take <= 1'b0;
      gather_o.swap <= 1'b0;
    end else begin
      fetch_o.read  <= state_q == READ;
      gather_o.take <= state_q == READ;
      gather_o.swap <= start_i || used;
    end
    fetch_o.addr    <= {3'b000, word_q};
    gather_o.rotate <= low_q[2:0];
    gather_o.low    <= low_q < dest_q ? dest_q[6:0] : low_q[6:0];
    gather_o.high   <= row_end ? high_q[6:0] : 7'(low_q + 9'sd8);
  end

  always_comb begin
    walk_o = '0;
    walk_o.rows_m1     = 3'd7;
    walk_o.one_word    = 1'b1;
    walk_o.one_col     = 1'b1;
    walk_o.planes      = 1'b1;
    walk_o.from_window = 1'b1;
    walk_o.copy        = layer_i.kind == bnn_pkg::KIND_PLANES;
    walk_o.out_addr    = window_q.out_addr;
    walk_o.out_part    = window_q.out_part;
    walk_o.pool_first  = window_q.pool_first;
    walk_o.pool_last   = window_q.pool_last;
    walk_o.tile_last   = window_q.tile_last;
  end
endmodule
