// Reads a group's results out of the lanes: maps word by word, scores put together from their bit planes.
//
// Result j comes from lane j mod LANES. Scores: the planes of 16 classes, most significant first, are shifted into 16
// registers; two scores of 32 bits make a word, an odd last one is alone in its word. Words queue up for bnn_write_dma.
module bnn_output #(
  parameter int LANES = 8,
  parameter int ACC_WIDTH = 20,
  localparam int QUEUE = 64
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               start_i,
  input  bnn_pkg::program_t  program_i,
  input  logic [31:0]        images_i,
  output logic               busy_o,
  // Lanes: a fetch, and its word LATENCY cycles later
  output bnn_types::fetch_t  fetch_o,
  output logic [2:0]         lane_o,
  input  logic [63:0]        word_i,
  // Queue
  output logic               valid_o,
  input  logic               ready_i,
  output logic [63:0]        data_o,
  output logic [6:0]         used_o
);
  localparam int LATENCY = 5;
  typedef enum logic [1:0] {IDLE, READ, ARRIVE, EMIT} state_e;
  state_e state_q;

  // Which word is read next: result, then (scores) 16 classes, then word or plane.
  logic [31:0] image_q;
  logic [15:0] slot_addr_q, group_addr_q, word_q, class_q;
  logic [2:0] lane_q;
  logic [1:0] quarter_q;
  logic read, word_end_q, lane_end, image_end_q, images_end_q, class_end, room_q;
  assign lane_end  = lane_q == 3'(LANES - 1);

  // Ends of the loops are found a cycle or more before they are needed. Of 16 classes: how many pairs there are, and
  // whether the last one is half a pair.
  logic [15:0] words_q, classes_q;
  logic scores_q, one_word_q, last_classes_q, half_pair_q;
  logic [2:0] last_pair_q;
  assign read      = state_q == READ && (scores_q || room_q);
  assign class_end = !scores_q || last_classes_q;
  always_ff @(posedge clk_i) begin
    scores_q       <= program_i.scores;
    words_q        <= program_i.scores ? 16'(ACC_WIDTH) : program_i.out_words;
    one_word_q     <= words_q == 16'd1;
    classes_q      <= program_i.classes - class_q;
    last_classes_q <= classes_q <= 16'd16;
    last_pair_q    <= classes_q <= 16'd16 ? 3'((classes_q - 16'd1) >> 1) : 3'd7;
    half_pair_q    <= classes_q < 16'd16 && classes_q[0];
    room_q         <= used_o < 7'(QUEUE - LATENCY - 3);
  end

  // What is under way: bit k came k cycles ago.
  logic [LATENCY-1:0] valid_q;
  logic arrived, emit_end_q, emit; // emit_end_q: of the pair that is emitted
  assign arrived = valid_q[LATENCY-1];
  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[LATENCY-2:0], read};
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= IDLE;
    end else begin
      case (state_q)
        IDLE: if (start_i) state_q <= READ;
        READ: if (read && word_end_q && (scores_q || image_end_q)) state_q <= ARRIVE;
        ARRIVE: if (valid_q == '0) state_q <= scores_q ? EMIT : IDLE;
        EMIT: if (emit && emit_end_q) state_q <= class_end && images_end_q ? IDLE : READ;
        default: state_q <= IDLE;
      endcase
    end
  end

  logic result_end;
  assign result_end = scores_q ? emit && emit_end_q && class_end : read && word_end_q;
  always_ff @(posedge clk_i) begin
    if (state_q == IDLE) begin
      image_q      <= images_i;
      image_end_q  <= images_i == 32'd1;
      images_end_q <= 1'b0;
      slot_addr_q  <= program_i.out_base;
      group_addr_q <= '0;
      lane_q       <= '0;
      word_q       <= '0;
      word_end_q   <= one_word_q;
      class_q      <= '0;
      quarter_q    <= '0;
    end else begin
      if (read) begin
        word_q     <= word_end_q ? 16'd0 : word_q + 16'd1;
        word_end_q <= word_end_q ? one_word_q : word_q + 16'd2 == words_q;
      end
      if (result_end) begin
        lane_q <= lane_end ? 3'd0 : lane_q + 3'd1;
        if (lane_end) slot_addr_q <= slot_addr_q + program_i.out_stride;
        group_addr_q <= '0;
        class_q      <= '0;
        quarter_q    <= '0;
      end else if (emit && emit_end_q) begin
        class_q   <= class_q + 16'd16;
        quarter_q <= quarter_q + 2'd1;
        if (quarter_q == 2'd3) group_addr_q <= group_addr_q + 16'(ACC_WIDTH);
      end
      if (read && word_end_q && class_end) begin
        image_q      <= image_q - 32'd1;
        image_end_q  <= image_q == 32'd2;
        images_end_q <= image_end_q;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    fetch_o.read <= rst_ni && read;
    fetch_o.addr <= slot_addr_q + group_addr_q + word_q;
    lane_o       <= lane_q;
  end

  // Scores: shift planes in, emit pairs.
  logic [15:0][ACC_WIDTH-1:0] sums_q;
  logic [15:0] plane;
  logic [2:0] pair_q;
  assign plane = word_i[16*quarter_q +: 16];
  always_ff @(posedge clk_i) begin
    for (int c = 0; c < 16; c++) begin
      if (arrived && scores_q) sums_q[c] <= {sums_q[c][ACC_WIDTH-2:0], plane[c]};
    end
    if (state_q != EMIT) {pair_q, emit_end_q} <= {3'd0, last_pair_q == 3'd0};
    else if (emit) {pair_q, emit_end_q} <= {pair_q + 3'd1, pair_q + 3'd1 == last_pair_q};
  end

  function automatic logic [31:0] score(input logic [ACC_WIDTH-1:0] sum, input logic halved, input logic odd);
    score = halved ? {{31 - ACC_WIDTH{sum[ACC_WIDTH-1]}}, sum, odd} : {{32 - ACC_WIDTH{sum[ACC_WIDTH-1]}}, sum};
  endfunction

  logic [31:0] low, high;
  logic queue_valid, queue_ready;
  logic [63:0] queue_data;
  assign low  = score(sums_q[{pair_q, 1'b0}], program_i.halved, program_i.odd);
  assign high = score(sums_q[{pair_q, 1'b1}], program_i.halved, program_i.odd);
  assign emit = state_q == EMIT && queue_ready;
  assign queue_valid = scores_q ? state_q == EMIT : arrived;
  assign queue_data  = !scores_q ? word_i
                     : {half_pair_q && emit_end_q ? 32'd0 : high, low};

  bnn_fifo #(.WIDTH(64), .DEPTH(QUEUE)) u_queue (
    .clk_i(clk_i), .rst_ni(rst_ni), .valid_i(queue_valid), .ready_o(queue_ready), .data_i(queue_data),
    .valid_o(valid_o), .ready_i(ready_i), .data_o(data_o), .used_o(used_o)
  );
  assign busy_o = state_q != IDLE;

`ifndef SYNTHESIS
  assert property (@(posedge clk_i) disable iff (!rst_ni) queue_valid && !scores_q |-> queue_ready)
    else $error("bnn_output: a word without room");
`endif
endmodule
