// Brings the images of one group after another into the lanes: image j of a group into lane j mod LANES.
//
// A group has as many images as fill LANES × slots, or what is left of the batch. Loading a group begins when its room
// is free (free_i, once for each group; the first is free at the start) and the group before was taken (take_i).
module bnn_loader #(
  parameter int LANES = 8,
  parameter int BUFFER_DEPTH = 4096
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               start_i,      // program_i is settled
  input  bnn_pkg::program_t  program_i,
  input  logic [31:0]        addr_i,
  input  logic [31:0]        count_i,      // images of the batch, at least one
  input  logic               free_i,
  output logic               loaded_o,     // the group is in the lanes
  output logic [15:0]        slots_o,      // images of its fullest lane
  output logic [31:0]        images_o,     // images of the group
  output logic               final_o,      // it is the last one
  input  logic               take_i,
  output logic               range_o,      // an image would lie beyond the buffer
  // Command to and words from bnn_read_dma
  output logic               dma_start_o,
  output logic [31:0]        dma_addr_o,
  output logic [31:0]        dma_words_o,
  input  logic               valid_i,
  output logic               ready_o,
  input  logic [63:0]        data_i,
  // To the lanes
  output bnn_types::load_t   load_o,
  input  logic               load_ready_i
);
  typedef enum logic [2:0] {IDLE, LOOK, COUNT, MULTIPLY, ASK, LOAD, LOADED, TAKEN} state_e;
  state_e state_q;

  logic [31:0] left_q, images_q, words_q, addr_q, load_left_q;
  logic [15:0] slots_q, slot_addr_q, word_q;
  logic [2:0] lane_q;
  logic free_q, group_full_q, final_q, load_done_q, push, word_end_q, lane_end;

  // LOOK finds whether the group is full; if not, COUNT takes a slot for it: LANES images, or the few that are left.
  logic few_q;

  always_ff @(posedge clk_i) begin
    dma_start_o <= 1'b0;
    final_q     <= left_q == '0;
    group_full_q <= slots_q == program_i.slots || left_q == '0;
    few_q        <= left_q < 32'(LANES);
    if (!rst_ni) begin
      state_q <= IDLE;
      free_q  <= 1'b1;
    end else begin
      if (free_i) free_q <= 1'b1;
      case (state_q)
        IDLE: if (start_i) state_q <= LOOK;
        LOOK: state_q <= COUNT;
        COUNT: state_q <= group_full_q ? MULTIPLY : LOOK;
        MULTIPLY: state_q <= ASK;
        ASK: if (free_q) begin
          state_q     <= LOAD;
          dma_start_o <= 1'b1;
          free_q      <= 1'b0;
        end
        LOAD: if (load_done_q) state_q <= LOADED;
        LOADED: if (take_i) state_q <= TAKEN;
        TAKEN: state_q <= final_q ? IDLE : LOOK;
        default: state_q <= IDLE;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i && state_q == IDLE) begin
      left_q <= count_i;
      addr_q <= addr_i;
    end else if (state_q == COUNT && !group_full_q) begin
      left_q   <= few_q ? '0 : left_q - 32'(LANES);
      slots_q  <= slots_q + 16'd1;
      images_q <= images_q + (few_q ? 32'(left_q[3:0]) : 32'(LANES));
    end else if (state_q == LOAD && load_done_q) begin
      addr_q <= addr_q + {words_q[28:0], 3'b000};
    end
    if (state_q == IDLE || state_q == TAKEN) begin
      slots_q  <= '0;
      images_q <= '0;
    end
    words_q     <= 32'(images_q[15:0]) * 32'(program_i.in_words);
    load_done_q <= state_q == LOAD && load_left_q == '0 && !load_valid;
  end

  // Where the next word goes.
  assign push     = valid_i && ready_o;
  assign lane_end = lane_q == 3'(LANES - 1);
  logic [15:0] last_word_q;  // the one before an image's last
  always_ff @(posedge clk_i) begin
    last_word_q <= program_i.in_words - 16'd2;
    if (state_q == ASK) begin
      load_left_q <= words_q;
      slot_addr_q <= program_i.in_base;
      word_q      <= '0;
      word_end_q  <= program_i.in_words == 16'd1;
      lane_q      <= '0;
    end else if (push) begin
      load_left_q <= load_left_q - 32'd1;
      word_q      <= word_end_q ? 16'd0 : word_q + 16'd1;
      word_end_q  <= word_end_q ? program_i.in_words == 16'd1 : word_q == last_word_q;
      if (word_end_q) lane_q <= lane_end ? 3'd0 : lane_q + 3'd1;
      if (word_end_q && lane_end) slot_addr_q <= slot_addr_q + program_i.in_stride;
    end
    range_o <= rst_ni && load_o.valid && load_o.addr >= 16'(BUFFER_DEPTH);
  end

  // The lanes may be busy with results.
  localparam int LOAD_BITS = 3 + 16 + 64;
  logic [LOAD_BITS-1:0] load;
  logic load_valid;
  bnn_slice #(.WIDTH(LOAD_BITS)) u_load (
    .clk_i(clk_i), .rst_ni(rst_ni), .valid_i(valid_i), .ready_o(ready_o), .data_i({lane_q, slot_addr_q + word_q, data_i}),
    .valid_o(load_valid), .ready_i(load_ready_i), .data_o(load)
  );
  always_comb begin
    load_o.valid = load_valid;
    {load_o.lane, load_o.addr, load_o.data} = load;
  end

  assign loaded_o    = state_q == LOADED;
  assign slots_o     = slots_q;
  assign images_o    = images_q;
  assign final_o     = final_q;
  assign dma_addr_o  = addr_q;
  assign dma_words_o = words_q;
endmodule
