// Runs the program: group after group, layer after layer, then the group's results.
//
// A layer begins when the pipeline of the one before has run dry, since it reads what that one wrote.
module bnn_sequencer (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               start_i,
  output logic               done_o,
  // Parameters
  input  logic               program_valid_i,
  input  bnn_pkg::program_t  program_i,
  input  logic               layer_valid_i,
  output logic               layer_ready_o,
  input  logic [63:0]        layer_word_i,
  // Images
  output logic               load_start_o,
  output logic               free_o,
  input  logic               loaded_i,
  output logic               take_o,
  input  logic [15:0]        slots_i,
  input  logic [31:0]        images_i,
  input  logic               final_i,
  // Layers
  output bnn_pkg::layer_t    layer_o,
  output logic [7:0]         index_o,      // of the layer at work, until the next one begins
  output logic [15:0]        slots_o,
  output logic               layer_start_o,
  input  logic               layer_done_i,
  // Results
  input  logic [31:0]        result_addr_i,
  input  logic [31:0]        result_words_i,
  output logic               output_start_o,
  output logic [31:0]        images_o,
  input  logic               output_busy_i,
  output logic               write_start_o,
  output logic [31:0]        write_addr_o,
  output logic [31:0]        write_words_o,
  input  logic               write_done_i,
  input  logic               write_idle_i,
  output logic               results_error_o,
  // What it waits for
  output logic               wait_parameters_o,
  output logic               wait_images_o,
  output logic               wait_results_o
);
  // From a step to the last bit in memory: control pipeline, popcount, groups, lane write.
  localparam logic [4:0] DRAIN = 5'd27;
  typedef enum logic [3:0] {
    IDLE, PROGRAM, GROUP, HEADER, SETTLE, BEGIN, RUN, DRY, RESULTS, CHECK, COPY, FLUSH, DONE
  } state_e;
  state_e state_q;

  localparam int LAYER_BITS = 64 * bnn_pkg::LAYER_WORDS;
  logic [LAYER_BITS-1:0] layer_q;
  logic [2:0] word_q;
  logic [4:0] dry_q;
  logic [15:0] slots_q;
  logic [31:0] images_q, product_q, words_q, addr_q, room_q;
  logic final_q, fits_q, last_word;
  assign last_word = word_q == 3'(bnn_pkg::LAYER_WORDS - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= IDLE;
    end else begin
      case (state_q)
        IDLE:     if (start_i) state_q <= PROGRAM;
        PROGRAM:  if (program_valid_i) state_q <= GROUP;
        GROUP:    if (loaded_i) state_q <= HEADER;
        HEADER:   if (layer_valid_i && last_word) state_q <= SETTLE;
        SETTLE:   state_q <= BEGIN;  // what is derived from the header and registered is there when the layer begins
        BEGIN:    state_q <= RUN;
        RUN:      if (layer_done_i) state_q <= DRY;
        DRY:      if (dry_q == DRAIN) state_q <= layer_o.last ? RESULTS : HEADER;
        RESULTS:  if (write_done_i) state_q <= CHECK;
        CHECK:    if (fits_q) state_q <= COPY;
        COPY:     if (!output_busy_i && !output_start_o) state_q <= final_q ? FLUSH : GROUP;
        FLUSH:    if (write_done_i && write_idle_i) state_q <= DONE;
        default:  state_q <= IDLE;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (state_q == HEADER && layer_valid_i) begin
      layer_q <= {layer_word_i, layer_q[LAYER_BITS-1:64]};
      word_q  <= word_q + 3'd1;
    end else if (state_q != HEADER) begin
      word_q <= '0;
    end
    if (state_q == IDLE) index_o <= '0;
    else if (state_q == BEGIN) index_o <= layer_o.index;
    dry_q <= state_q == DRY ? dry_q + 5'd1 : 5'd0;

    if (state_q == GROUP) begin
      slots_q  <= slots_i;
      images_q <= images_i;
      final_q  <= final_i;
    end
    // These have settled long before they are used in CHECK.
    product_q <= 32'(images_q[15:0]) * 32'(program_i.out_words);
    words_q   <= product_q;
    fits_q    <= words_q <= room_q;
    if (state_q == IDLE) begin
      addr_q <= result_addr_i;
      room_q <= result_words_i;
    end else if (write_start_o) begin
      addr_q <= addr_q + {words_q[28:0], 3'b000};
      room_q <= room_q - words_q;
    end
  end

  logic started_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      started_q       <= 1'b0;
      output_start_o  <= 1'b0;
      write_start_o   <= 1'b0;
      results_error_o <= 1'b0;
    end else begin
      started_q       <= state_q == PROGRAM && program_valid_i;
      output_start_o  <= state_q == CHECK && fits_q;
      write_start_o   <= state_q == CHECK && fits_q;
      results_error_o <= state_q == CHECK && !fits_q;
    end
  end

  assign layer_ready_o = state_q == HEADER;
  assign load_start_o  = started_q;
  assign take_o        = state_q == GROUP && loaded_i;
  assign free_o        = state_q == DRY && dry_q == DRAIN && layer_o.frees_images;
  assign layer_start_o = state_q == BEGIN;
  assign layer_o       = bnn_pkg::layer_t'(layer_q);
  assign slots_o       = slots_q;
  assign images_o      = images_q;
  assign write_addr_o  = addr_q;
  assign write_words_o = words_q;
  assign done_o        = state_q == DONE;

  assign wait_parameters_o = state_q == PROGRAM || (state_q == HEADER && !layer_valid_i);
  assign wait_images_o     = state_q == GROUP && !loaded_i;
  assign wait_results_o    = state_q == RESULTS || state_q == CHECK || state_q == COPY || state_q == FLUSH;
endmodule
