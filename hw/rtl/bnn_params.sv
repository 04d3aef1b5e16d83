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
  logic [191:0] program_q, program_d;
  logic program_valid_q;
  logic take, queue_ready, ended;
  assign ended   = left_q == '0;
  assign ready_o = state_q != FAILED && !ended && (state_q != LAYER || queue_ready)
                   && (state_q != ROWS || rows_o != 16'(RING_DEPTH));
  assign take    = valid_i && ready_o;

  // What the parameters need to know of the header: words 0 and 1.
  logic [63:0] first_q;
  bnn_pkg::layer_t header;
  assign header = bnn_pkg::layer_t'({{64 * (bnn_pkg::LAYER_WORDS - 2){1'b0}}, data_i,
                                     word_q == 3'd0 ? data_i : first_q});
  logic [15:0] tiles_q, rows_q, row_q, tile_q;
  logic [5:0] pe_q;
  logic [7:0] index_q;
  logic last_q, bad_first, bad_second, pe_end, row_end, tile_end, rowless;
  assign bad_first  = header.magic != bnn_pkg::LAYER_MAGIC || header.index != index_q;
  assign rowless    = header.kind == bnn_pkg::KIND_PLANES;
  assign bad_second = header.tiles == '0 || (rowless ? header.rows != '0 || header.tiles != 16'd1 : header.rows < 16'd2)
                      || header.rows > 16'(RING_DEPTH) || header.kind == '0 || header.kind > bnn_pkg::KIND_PLANES;
  assign pe_end     = pe_q == 6'(PE - 1);
  assign row_end    = row_q == rows_q;
  assign tile_end   = tile_q == tiles_q;

  bnn_pkg::program_t record;
  assign program_d = {data_i, program_q[191:64]};
  assign record    = bnn_pkg::program_t'(program_d);
  logic [15:0] check_q, check;
  assign check = check_q ^ data_i[63:48] ^ data_i[47:32] ^ data_i[31:16] ^ data_i[15:0];
  logic bad_record;
  assign bad_record = record.magic != bnn_pkg::PROGRAM_MAGIC || record.version != bnn_pkg::VERSION
                      || record.layers == '0 || record.in_words == '0 || record.out_words == '0 || record.slots == '0
                      || check != '1;

  logic layer_done, header_done;
  assign header_done = state_q == LAYER && take && word_q == 3'(bnn_pkg::LAYER_WORDS - 1);
  assign layer_done  = header_done && rows_q == '0 || state_q == ROWS && take && pe_end && row_end && tile_end;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q         <= PROGRAM;
      program_valid_q <= 1'b0;
      word_q          <= '0;
      index_q         <= '0;
      left_q          <= words_i;
      error_o         <= bnn_pkg::ERROR_NONE;
    end else begin
      if (take) begin
        left_q <= left_q - 32'd1;
        word_q <= word_q + 3'd1;
      end
      case (state_q)
        PROGRAM: if (take && word_q == 3'(bnn_pkg::PROGRAM_WORDS - 1)) begin
          state_q         <= LAYER;
          word_q          <= '0;
          index_q         <= '0;
          program_valid_q <= 1'b1;
          if (bad_record && !program_valid_q) begin
            state_q <= FAILED;
            error_o <= bnn_pkg::ERROR_PROGRAM;
          end
        end
        LAYER: begin
          if (header_done) state_q <= ROWS;
          if (take && (word_q == 3'd0 && bad_first || word_q == 3'd1 && bad_second) || header_done && check != '1) begin
            state_q <= FAILED;
            error_o <= bnn_pkg::ERROR_HEADER;
          end
        end
        default: ;
      endcase
      if (layer_done) begin
        index_q <= index_q + 8'd1;
        word_q  <= '0;
        state_q <= last_q ? PROGRAM : LAYER;
        if (last_q) left_q <= words_i;
        if (last_q && left_q != 32'd1) begin
          state_q <= FAILED;
          error_o <= bnn_pkg::ERROR_ENDED;
        end
      end else if (ended && state_q != FAILED) begin
        state_q <= FAILED;
        error_o <= bnn_pkg::ERROR_ENDED;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    // The record of the first pass counts; later passes repeat it.
    if (take && state_q == PROGRAM && !program_valid_q) program_q <= program_d;
    if (take) check_q <= word_q == 3'd0 ? check ^ check_q : check;
    if (take && state_q == LAYER && word_q == 3'd0) {first_q, last_q} <= {data_i, header.last};
    if (take && state_q == LAYER && word_q == 3'd1) {tiles_q, rows_q} <= {header.tiles, header.rows};
    if (state_q == LAYER) begin
      pe_q   <= '0;
      row_q  <= 16'd1;
      tile_q <= 16'd1;
    end else if (state_q == ROWS && take) begin
      pe_q <= pe_end ? 6'd0 : pe_q + 6'd1;
      if (pe_end) row_q <= row_end ? 16'd1 : row_q + 16'd1;
      if (pe_end && row_end) tile_q <= tile_q + 16'd1;
    end
  end

  // The ring: where the next row goes, and how many are there.
  logic [15:0] place_q;
  logic row_done;
  assign row_done = state_q == ROWS && take && pe_end;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      place_q <= '0;
      rows_o  <= '0;
    end else begin
      if (row_done) place_q <= (place_q + 16'd1) & 16'(RING_DEPTH - 1);
      rows_o <= rows_o + 16'(row_done) - (release_i ? release_rows_i : 16'd0);
    end
    write_o.valid <= rst_ni && state_q == ROWS && take;
    write_o.pe    <= pe_q;
    write_o.row   <= place_q;
    write_o.data  <= data_i;
  end

  logic [5:0] headers_used;
  bnn_fifo #(.WIDTH(64), .DEPTH(32)) u_headers (
    .clk_i(clk_i), .rst_ni(rst_ni), .valid_i(take && state_q == LAYER), .ready_o(queue_ready), .data_i(data_i),
    .valid_o(layer_valid_o), .ready_i(layer_ready_i), .data_o(layer_word_o), .used_o(headers_used)
  );

  assign program_o       = bnn_pkg::program_t'(program_q);
  assign program_valid_o = program_valid_q;
  assign layer_o         = index_q;

`ifndef SYNTHESIS
  assert property (@(posedge clk_i) disable iff (!rst_ni) rows_o <= 16'(RING_DEPTH)) else $error("bnn_params: ring");
  assert property (@(posedge clk_i) disable iff (!rst_ni) release_i |-> rows_o >= release_rows_i)
    else $error("bnn_params: rows given back that never came");
`endif
endmodule
