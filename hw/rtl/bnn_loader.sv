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
  typedef enum logic [2:0] {IDLE, COUNT, MULTIPLY, ASK, LOAD, LOADED} state_e;
  state_e state_q;

  logic [31:0] left_q, images_q, words_q, addr_q, load_left_q;
  logic [15:0] slots_q, slot_addr_q, word_q;
  logic [2:0] lane_q;
  logic free_q, group_full, push, word_end, lane_end;

  // COUNT takes a slot (up to LANES images) a cycle.
  logic [31:0] slot_images;
  assign slot_images = left_q < 32'(LANES) ? left_q : 32'(LANES);
  assign group_full  = slots_q == program_i.slots || left_q == '0;

  always_ff @(posedge clk_i) begin
    dma_start_o <= 1'b0;
    if (!rst_ni) begin
      state_q <= IDLE;
      free_q  <= 1'b1;
    end else begin
      if (free_i) free_q <= 1'b1;
      case (state_q)
        IDLE: if (start_i) state_q <= COUNT;
        COUNT: if (group_full) state_q <= MULTIPLY;
        MULTIPLY: state_q <= ASK;
        ASK: if (free_q) begin
          state_q     <= LOAD;
          dma_start_o <= 1'b1;
          free_q      <= 1'b0;
        end
        LOAD: if (load_left_q == '0 && !load_o.valid) state_q <= LOADED;
        LOADED: if (take_i) state_q <= left_q == '0 ? IDLE : COUNT;
        default: state_q <= IDLE;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i && state_q == IDLE) begin
      left_q <= count_i;
      addr_q <= addr_i;
    end else if (state_q == COUNT && !group_full) begin
      left_q   <= left_q - slot_images;
      slots_q  <= slots_q + 16'd1;
      images_q <= images_q + slot_images;
    end else if (state_q == LOAD && load_left_q == '0 && !load_o.valid) begin
      addr_q <= addr_q + {words_q[28:0], 3'b000};
    end
    if (state_q == IDLE || (state_q == LOADED && take_i)) begin
      slots_q  <= '0;
      images_q <= '0;
    end
    if (state_q == MULTIPLY) words_q <= 32'(images_q[15:0]) * 32'(program_i.in_words);
  end

  // Where the next word goes.
  assign push     = valid_i && ready_o;
  assign word_end = word_q == program_i.in_words - 16'd1;
  assign lane_end = lane_q == 3'(LANES - 1);
  assign ready_o  = !load_o.valid || load_ready_i;
  always_ff @(posedge clk_i) begin
    if (state_q == ASK) begin
      load_left_q <= words_q;
      slot_addr_q <= program_i.in_base;
      word_q      <= '0;
      lane_q      <= '0;
    end else if (push) begin
      load_left_q <= load_left_q - 32'd1;
      word_q      <= word_end ? 16'd0 : word_q + 16'd1;
      if (word_end) lane_q <= lane_end ? 3'd0 : lane_q + 3'd1;
      if (word_end && lane_end) slot_addr_q <= slot_addr_q + program_i.in_stride;
    end
    if (!rst_ni) load_o.valid <= 1'b0;
    else if (ready_o) load_o.valid <= valid_i;
    if (ready_o) begin
      load_o.lane <= lane_q;
      load_o.addr <= slot_addr_q + word_q;
      load_o.data <= data_i;
    end
    range_o <= rst_ni && load_o.valid && load_o.addr >= 16'(BUFFER_DEPTH);
  end

  assign loaded_o    = state_q == LOADED;
  assign slots_o     = slots_q;
  assign images_o    = images_q;
  assign final_o     = left_q == '0;
  assign dma_addr_o  = addr_q;
  assign dma_words_o = words_q;
endmodule
