// Takes the program apart: its record, the layers' headers, and tiles of parameters into the ring.
//
// The stream repeats the whole program for each group of images. Headers wait in a queue until the sequencer takes
// them, so parameters of later layers come in while earlier ones compute, as far as ring and queue have room.
// rows_o counts the complete rows in the ring that were not given back.
module bnn_params #(
  parameter int PE = 32,
  parameter int RING_DEPTH = 512
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic [31:0]            words_i,    // length of the program
  input  logic                   valid_i,
  output logic                   ready_o,
  input  logic [63:0]            data_i,
  output logic                   program_valid_o,
  output bnn_pkg::program_t      program_o,
  output logic                   layer_valid_o,
  input  logic                   layer_ready_i,
  output logic [63:0]            layer_word_o, // headers, word by word
  output bnn_types::ring_write_t write_o,
  output logic [15:0]            rows_o,
  input  logic                   release_i,
  input  logic [15:0]            release_rows_i,
  output logic [7:0]             error_o,    // 0 or a code of bnn_pkg, held
  output logic [7:0]             layer_o     // index of the header at fault
);
  typedef enum logic [1:0] {PROGRAM, LAYER, ROWS, FAILED} state_e;
  state_e state_q;

  logic [31:0] left_q;
  logic [2:0] word_q;
  logic [191:0] program_q;
  logic program_valid_q;
  logic take, queue_ready, full, row_done, ended_q, ending_q; // ended: left_q is 0; ending: it is 1
  assign take = valid_i && ready_o;

  logic [15:0] tiles_q, rows_q, row_q, tile_q; // of the header; how many come after this one
  logic [7:0] index_q;
  logic [5:0] pe_q;
  logic last_q, no_rows_q, pe_end_q, row_end_q, tile_end_q, one_row_q;
  logic layer_done, header_done, record_done;
  assign record_done = state_q == PROGRAM && take && word_q == 3'(bnn_pkg::PROGRAM_WORDS - 1);
  assign header_done = state_q == LAYER && take && word_q == 3'(bnn_pkg::LAYER_WORDS - 1);
  assign layer_done  = header_done && no_rows_q || state_q == ROWS && take && pe_end_q && row_end_q && tile_end_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q  <= PROGRAM;
      word_q   <= '0;
      index_q  <= '0;
      left_q   <= words_i;
      ended_q  <= words_i == 32'd0;
      ending_q <= words_i == 32'd1;
    end else begin
      if (take) begin
        left_q   <= left_q - 32'd1;
        ended_q  <= ending_q;
        ending_q <= left_q == 32'd2;
        word_q   <= word_q + 3'd1;
      end
      if (record_done) begin
        state_q <= LAYER;
        word_q  <= '0;
        index_q <= '0;
      end
      if (header_done) state_q <= ROWS;
      if (layer_done) begin
        index_q <= index_q + 8'd1;
        word_q  <= '0;
        state_q <= last_q ? PROGRAM : LAYER;
        if (last_q) begin
          left_q   <= words_i;
          ended_q  <= 1'b0;
          ending_q <= words_i == 32'd1;
        end
      end
      if (error_o != bnn_pkg::ERROR_NONE) state_q <= FAILED;
    end
  end

  // Whether a word can be taken is found a cycle before. Between records, headers and rows a cycle is left out, in which
  // is found whether there is room for the next one; memory is slower than that costs.
  logic between, can_take;
  assign between = record_done || header_done || row_done || ended_q || (take && ending_q);
  always_comb begin
    case (state_q)
      PROGRAM: can_take = 1'b1;
      LAYER: can_take = queue_ready;
      ROWS: can_take = take || pe_q != '0 || !full;
      default: can_take = 1'b0;
    endcase
  end
  always_ff @(posedge clk_i) ready_o <= rst_ni && can_take && !between;

  always_ff @(posedge clk_i) begin
    no_rows_q <= rows_q == '0;
    if (state_q == LAYER) begin
      {pe_q, pe_end_q}     <= {6'd0, PE == 1};
      {row_q, row_end_q}   <= {rows_q - 16'd1, rows_q == 16'd1};
      {tile_q, tile_end_q} <= {tiles_q - 16'd1, tiles_q == 16'd1};
      one_row_q            <= rows_q == 16'd1;
    end else if (state_q == ROWS && take) begin
      {pe_q, pe_end_q} <= pe_end_q ? {6'd0, PE == 1} : {pe_q + 6'd1, pe_q == 6'(PE - 2)};
      if (pe_end_q) {row_q, row_end_q} <= row_end_q ? {rows_q - 16'd1, one_row_q} : {row_q - 16'd1, row_q == 16'd1};
      if (pe_end_q && row_end_q) {tile_q, tile_end_q} <= {tile_q - 16'd1, tile_q == 16'd1};
    end
  end

  // Records and headers are looked at a cycle after they were taken, in data_q; their checks come with the last word.
  logic [63:0] data_q, first_q;
  logic [7:0] header_index_q;
  logic record_q, record_first_q, record_last_q, header_q, header_first_q, header_second_q, header_last_q;
  always_ff @(posedge clk_i) begin
    data_q          <= data_i;
    record_q        <= rst_ni && state_q == PROGRAM && take;
    record_first_q  <= word_q == '0;
    record_last_q   <= rst_ni && record_done;
    header_q        <= rst_ni && state_q == LAYER && take;
    header_first_q  <= rst_ni && state_q == LAYER && take && word_q == 3'd0;
    header_second_q <= rst_ni && state_q == LAYER && take && word_q == 3'd1;
    header_last_q   <= rst_ni && header_done;
    if (state_q == LAYER && word_q == 3'd0) header_index_q <= index_q;
  end

  // What the parameters need to know of the header: words 0 and 1.
  bnn_pkg::layer_t header;
  logic bad_first, bad_second, rowless;
  assign header = bnn_pkg::layer_t'({{64 * (bnn_pkg::LAYER_WORDS - 2){1'b0}}, data_q,
                                     header_first_q ? data_q : first_q});
  assign bad_first  = header.magic != bnn_pkg::LAYER_MAGIC || header.index != header_index_q;
  assign rowless    = header.kind == bnn_pkg::KIND_PLANES;
  assign bad_second = header.tiles == '0 || (rowless ? header.rows != '0 || header.tiles != 16'd1 : header.rows < 16'd2)
                      || header.rows > 16'(RING_DEPTH) || header.kind == '0 || header.kind > bnn_pkg::KIND_PLANES;
  always_ff @(posedge clk_i) begin
    // The record of the first pass counts; later passes repeat it.
    if (record_q && !program_valid_q) program_q <= {data_q, program_q[191:64]};
    if (header_first_q) {first_q, last_q} <= {data_q, header.last};
    if (header_second_q) {tiles_q, rows_q} <= {header.tiles, header.rows};
  end

  logic [15:0] check_q;
  logic [7:0] index_1q, index_2q;
  logic bad_word_q, header_end_q, record_end_q, bad_header_q, bad_record, bad_record_q, good_record_q;
  bnn_pkg::program_t record;
  assign record     = bnn_pkg::program_t'(program_q);
  assign bad_record = record.magic != bnn_pkg::PROGRAM_MAGIC || record.version != bnn_pkg::VERSION
                      || record.layers == '0 || record.in_words == '0 || record.out_words == '0 || record.slots == '0
                      || check_q != '1;
  always_ff @(posedge clk_i) begin
    if (record_q || header_q) begin
      check_q <= (record_first_q ? 16'd0 : check_q) ^ data_q[63:48] ^ data_q[47:32] ^ data_q[31:16] ^ data_q[15:0];
    end
    bad_word_q    <= rst_ni && (header_first_q && bad_first || header_second_q && bad_second);
    header_end_q  <= rst_ni && header_last_q;
    record_end_q  <= rst_ni && record_last_q && !program_valid_q;
    bad_header_q  <= rst_ni && (bad_word_q || (header_end_q && check_q != '1));
    bad_record_q  <= rst_ni && record_end_q && bad_record;
    good_record_q <= rst_ni && record_end_q && !bad_record;
    {index_2q, index_1q} <= {index_1q, header_index_q};
  end

  // The first error that is found stays. A wrong end is told behind what may be wrong with the header that caused it.
  logic [2:0] wrong_end_q;
  always_ff @(posedge clk_i) begin
    wrong_end_q <= {3{rst_ni}} & {wrong_end_q[1:0], layer_done && last_q && !ending_q};
    if (!rst_ni) begin
      error_o         <= bnn_pkg::ERROR_NONE;
      program_valid_q <= 1'b0;
    end else begin
      if (good_record_q) program_valid_q <= 1'b1;
      if (error_o == bnn_pkg::ERROR_NONE) begin
        layer_o <= bad_header_q ? index_2q : index_q;
        if (bad_header_q) error_o <= bnn_pkg::ERROR_HEADER;
        else if (bad_record_q) error_o <= bnn_pkg::ERROR_PROGRAM;
        else if (ended_q || wrong_end_q[2]) error_o <= bnn_pkg::ERROR_ENDED;
      end
    end
  end

  // The ring: where the next row goes, and how many are there. A row counts a cycle after its last word.
  logic [15:0] place_q;
  logic row_done_q;
  assign row_done = state_q == ROWS && take && pe_end_q;
  assign full     = rows_o == 16'(RING_DEPTH) || (rows_o == 16'(RING_DEPTH - 1) && row_done_q);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      place_q    <= '0;
      rows_o     <= '0;
      row_done_q <= 1'b0;
    end else begin
      row_done_q <= row_done;
      if (row_done) place_q <= (place_q + 16'd1) & 16'(RING_DEPTH - 1);
      rows_o <= rows_o + 16'(row_done_q) - (release_i ? release_rows_i : 16'd0);
    end
    write_o.valid <= rst_ni && state_q == ROWS && take;
    write_o.pe    <= pe_q;
    write_o.row   <= place_q;
    write_o.data  <= data_i;
  end

  // Up to four words were taken that headers_used does not know of.
  logic [5:0] headers_used;
  logic headers_ready;
  always_ff @(posedge clk_i) queue_ready <= headers_used < 6'd29;
  bnn_fifo #(.WIDTH(64), .DEPTH(32)) u_headers (
    .clk_i(clk_i), .rst_ni(rst_ni), .valid_i(header_q), .ready_o(headers_ready), .data_i(data_q),
    .valid_o(layer_valid_o), .ready_i(layer_ready_i), .data_o(layer_word_o), .used_o(headers_used)
  );

  assign program_o       = bnn_pkg::program_t'(program_q);
  assign program_valid_o = program_valid_q;

`ifndef SYNTHESIS
  assert property (@(posedge clk_i) disable iff (!rst_ni) header_q |-> headers_ready)
    else $error("bnn_params: a header without room");
  assert property (@(posedge clk_i) disable iff (!rst_ni) rows_o <= 16'(RING_DEPTH)) else $error("bnn_params: ring");
  assert property (@(posedge clk_i) disable iff (!rst_ni) release_i |-> rows_o >= release_rows_i)
    else $error("bnn_params: rows given back that never came");
`endif
endmodule
