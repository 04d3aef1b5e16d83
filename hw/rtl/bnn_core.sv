// The accelerator: any network of 1-bit weights and activations, as a program in memory.
//
// AXI4-Lite slave for the registers; AXI master of 64 bits, 32-bit addresses, INCR bursts of at most 16 beats that stay
// within 4 KB, one ID (size, burst type and the like are constants of the board's top). hw/README.md draws the picture.
module bnn_core #(
  parameter int LANES        = bnn_pkg::DEFAULT_LANES,
  parameter int PE           = bnn_pkg::DEFAULT_PE,
  parameter int SIMD         = bnn_pkg::DEFAULT_SIMD,
  parameter int BUFFER_DEPTH = bnn_pkg::DEFAULT_BUFFER_DEPTH,
  parameter int RING_DEPTH   = bnn_pkg::DEFAULT_RING_DEPTH,
  parameter int ACC_WIDTH    = bnn_pkg::DEFAULT_ACC_WIDTH
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  output logic        irq_o,
  // AXI4-Lite slave
  input  logic [11:0] s_awaddr_i,
  input  logic        s_awvalid_i,
  output logic        s_awready_o,
  input  logic [31:0] s_wdata_i,
  input  logic [3:0]  s_wstrb_i,
  input  logic        s_wvalid_i,
  output logic        s_wready_o,
  output logic [1:0]  s_bresp_o,
  output logic        s_bvalid_o,
  input  logic        s_bready_i,
  input  logic [11:0] s_araddr_i,
  input  logic        s_arvalid_i,
  output logic        s_arready_o,
  output logic [31:0] s_rdata_o,
  output logic [1:0]  s_rresp_o,
  output logic        s_rvalid_o,
  input  logic        s_rready_i,
  // AXI master
  output logic [31:0] m_araddr_o,
  output logic [3:0]  m_arlen_o,
  output logic        m_arvalid_o,
  input  logic        m_arready_i,
  input  logic [63:0] m_rdata_i,
  input  logic [1:0]  m_rresp_i,
  input  logic        m_rlast_i,
  input  logic        m_rvalid_i,
  output logic        m_rready_o,
  output logic [31:0] m_awaddr_o,
  output logic [3:0]  m_awlen_o,
  output logic        m_awvalid_o,
  input  logic        m_awready_i,
  output logic [63:0] m_wdata_o,
  output logic [7:0]  m_wstrb_o,
  output logic        m_wlast_o,
  output logic        m_wvalid_o,
  input  logic        m_wready_i,
  input  logic [1:0]  m_bresp_i,
  input  logic        m_bvalid_i,
  output logic        m_bready_o
);
  // Registers and run control
  logic start, soft_reset, interrupt_enable, run_rst_n, run_start, stop, done;
  logic [31:0] program_addr, program_words, image_addr, image_count, result_addr, result_words;
  logic [31:0] status, cycles, steps, waits_parameters, waits_images, waits_results;
  logic [7:0] params_error, params_layer, layer_index;
  logic walk_range, load_range, results_error, read_error, write_error, read_idle, write_idle, starved;
  logic wait_parameters, wait_images, wait_results;

  bnn_regs #(
    .LANES(LANES), .PE(PE), .SIMD(SIMD), .RING_DEPTH(RING_DEPTH), .BUFFER_DEPTH(BUFFER_DEPTH), .ACC_WIDTH(ACC_WIDTH)
  ) u_regs (
    .clk_i, .rst_ni, .s_awaddr_i, .s_awvalid_i, .s_awready_o, .s_wdata_i, .s_wstrb_i, .s_wvalid_i, .s_wready_o,
    .s_bresp_o, .s_bvalid_o, .s_bready_i, .s_araddr_i, .s_arvalid_i, .s_arready_o, .s_rdata_o, .s_rresp_o, .s_rvalid_o,
    .s_rready_i, .start_o(start), .reset_o(soft_reset), .interrupt_enable_o(interrupt_enable),
    .program_addr_o(program_addr), .program_words_o(program_words), .image_addr_o(image_addr),
    .image_count_o(image_count), .result_addr_o(result_addr), .result_words_o(result_words), .status_i(status),
    .cycles_i(cycles), .steps_i(steps), .wait_parameters_i(waits_parameters), .wait_images_i(waits_images),
    .wait_results_i(waits_results)
  );

  bnn_types::step_t step;
  bnn_pkg::layer_t layer;
  bnn_control u_control (
    .clk_i, .rst_ni, .start_i(start), .reset_i(soft_reset), .interrupt_enable_i(interrupt_enable),
    .program_addr_i(program_addr), .program_words_i(program_words), .image_addr_i(image_addr),
    .image_count_i(image_count), .result_addr_i(result_addr), .run_rst_no(run_rst_n), .run_start_o(run_start),
    .stop_o(stop), .idle_i(read_idle && write_idle), .done_i(done), .params_error_i(params_error),
    .params_layer_i(params_layer), .layer_i(layer_index), .range_i(walk_range || load_range),
    .results_i(results_error), .read_error_i(read_error), .write_error_i(write_error),
    .step_i(step.valid || step.copy), .wait_parameters_i(wait_parameters || starved), .wait_images_i(wait_images),
    .wait_results_i(wait_results), .irq_o, .status_o(status), .cycles_o(cycles), .steps_o(steps),
    .wait_parameters_o(waits_parameters), .wait_images_o(waits_images), .wait_results_o(waits_results)
  );

  // Reads: parameters and images
  localparam int PARAMS_QUEUE = 128;
  logic program_word_valid, image_valid, image_ready, queue_valid, queue_ready, dma_image_start;
  logic [63:0] program_word, image_word, queue_word;
  logic [31:0] dma_image_addr, dma_image_words;
  logic [7:0] queue_used;
  logic queue_in_ready;

  bnn_read_dma u_read_dma (
    .clk_i, .rst_ni(run_rst_n), .stop_i(stop), .idle_o(read_idle), .error_o(read_error), .program_start_i(run_start),
    .program_addr_i(program_addr), .program_words_i(program_words), .room_i(8'(PARAMS_QUEUE) - queue_used),
    .program_valid_o(program_word_valid), .program_data_o(program_word), .image_start_i(dma_image_start),
    .image_addr_i(dma_image_addr), .image_words_i(dma_image_words), .image_valid_o(image_valid),
    .image_ready_i(image_ready), .image_data_o(image_word), .m_araddr_o, .m_arlen_o, .m_arvalid_o, .m_arready_i,
    .m_rdata_i, .m_rresp_i, .m_rlast_i, .m_rvalid_i, .m_rready_o
  );

  bnn_fifo #(.WIDTH(64), .DEPTH(PARAMS_QUEUE)) u_params_queue (
    .clk_i, .rst_ni(run_rst_n), .valid_i(program_word_valid), .ready_o(queue_in_ready), .data_i(program_word),
    .valid_o(queue_valid), .ready_i(queue_ready), .data_o(queue_word), .used_o(queue_used)
  );

  bnn_pkg::program_t program_record;
  bnn_types::ring_write_t ring_write;
  logic program_valid, layer_valid, layer_ready, release_rows;
  logic [63:0] layer_word;
  logic [15:0] ring_rows;
  bnn_params #(.PE(PE), .RING_DEPTH(RING_DEPTH)) u_params (
    .clk_i, .rst_ni(run_rst_n), .words_i(program_words), .valid_i(queue_valid), .ready_o(queue_ready),
    .data_i(queue_word), .program_valid_o(program_valid), .program_o(program_record), .layer_valid_o(layer_valid),
    .layer_ready_i(layer_ready), .layer_word_o(layer_word), .write_o(ring_write), .rows_o(ring_rows),
    .release_i(release_rows), .release_rows_i(layer.rows), .error_o(params_error), .layer_o(params_layer)
  );

  bnn_types::load_t load;
  logic load_start, load_ready, images_free, loaded, final_group, take_group;
  logic [15:0] group_slots, slots;
  logic [31:0] group_images, images;
  bnn_loader #(.LANES(LANES), .BUFFER_DEPTH(BUFFER_DEPTH)) u_loader (
    .clk_i, .rst_ni(run_rst_n), .start_i(load_start), .program_i(program_record), .addr_i(image_addr),
    .count_i(image_count), .free_i(images_free), .loaded_o(loaded), .slots_o(group_slots), .images_o(group_images),
    .final_o(final_group), .take_i(take_group), .range_o(load_range), .dma_start_o(dma_image_start),
    .dma_addr_o(dma_image_addr), .dma_words_o(dma_image_words), .valid_i(image_valid), .ready_o(image_ready),
    .data_i(image_word), .load_o(load), .load_ready_i(load_ready)
  );

  // Sequence of groups and layers
  logic layer_start, layer_done, output_start, output_busy, write_start, write_done;
  logic [31:0] write_addr, write_words;
  bnn_sequencer u_sequencer (
    .clk_i, .rst_ni(run_rst_n), .start_i(run_start), .done_o(done), .program_valid_i(program_valid),
    .program_i(program_record), .layer_valid_i(layer_valid), .layer_ready_o(layer_ready), .layer_word_i(layer_word),
    .load_start_o(load_start), .free_o(images_free), .loaded_i(loaded), .take_o(take_group), .slots_i(group_slots),
    .images_i(group_images), .final_i(final_group), .layer_o(layer), .index_o(layer_index), .slots_o(slots),
    .layer_start_o(layer_start), .layer_done_i(layer_done), .result_addr_i(result_addr), .result_words_i(result_words),
    .output_start_o(output_start), .images_o(images), .output_busy_i(output_busy), .write_start_o(write_start),
    .write_addr_o(write_addr), .write_words_o(write_words), .write_done_i(write_done), .write_idle_i(write_idle),
    .results_error_o(results_error), .wait_parameters_o(wait_parameters), .wait_images_o(wait_images),
    .wait_results_o(wait_results)
  );

  // Walkers, lanes, array. Results come 11 + PE/8 cycles after their step, see bnn_array.
  localparam int BITS = 11 + PE / 8;
  bnn_types::fetch_t gather_fetch, output_fetch;
  bnn_types::gather_t gather;
  logic [2:0] output_lane;
  logic [63:0] output_word;
  logic [LANES*SIMD-1:0] act;
  logic [LANES*PE-1:0] bits;
  bnn_walk #(
    .PE(PE), .SIMD(SIMD), .RING_DEPTH(RING_DEPTH), .BUFFER_DEPTH(BUFFER_DEPTH), .ACC_WIDTH(ACC_WIDTH)
  ) u_walk (
    .clk_i, .rst_ni(run_rst_n), .start_i(layer_start), .layer_i(layer), .slots_i(slots), .done_o(layer_done),
    .rows_i(ring_rows), .release_o(release_rows), .step_o(step), .fetch_o(gather_fetch), .gather_o(gather),
    .range_o(walk_range), .starved_o(starved)
  );

  bnn_lanes #(.LANES(LANES), .PE(PE), .SIMD(SIMD), .BUFFER_DEPTH(BUFFER_DEPTH), .BITS(BITS)) u_lanes (
    .clk_i, .layer_i(layer), .step_i(step), .gather_fetch_i(gather_fetch), .gather_i(gather),
    .output_fetch_i(output_fetch), .output_lane_i(output_lane), .bits_i(bits), .load_i(load),
    .load_ready_o(load_ready), .act_o(act), .word_o(output_word)
  );

  bnn_types::pe_step_t pe_step, pe_step_late;
  always_comb begin
    pe_step.valid      = step.valid && !step.thresholds;
    pe_step.thresholds = step.thresholds;
    pe_step.row        = step.row;
    pe_step.part       = step.part;
    pe_step.plane      = step.plane;
    pe_step.first      = step.first;
    pe_step.twice     = step.twice;
    pe_step.last       = step.last;
    pe_step.pool_first = step.pool_first;
    pe_step.values     = step.values;
  end
  bnn_delay #(.WIDTH($bits(pe_step)), .CYCLES(3)) u_step (.clk_i, .in_i(pe_step), .out_o(pe_step_late));
  bnn_array #(.LANES(LANES), .PE(PE), .SIMD(SIMD), .RING_DEPTH(RING_DEPTH), .ACC_WIDTH(ACC_WIDTH)) u_array (
    .clk_i, .step_i(pe_step_late), .act_i(act), .write_i(ring_write), .bits_o(bits)
  );

  // Results
  logic result_valid, result_ready;
  logic [63:0] result_word;
  logic [6:0] result_used;
  bnn_output #(.LANES(LANES), .ACC_WIDTH(ACC_WIDTH)) u_output (
    .clk_i, .rst_ni(run_rst_n), .start_i(output_start), .program_i(program_record), .images_i(images),
    .busy_o(output_busy), .fetch_o(output_fetch), .lane_o(output_lane), .word_i(output_word), .valid_o(result_valid),
    .ready_i(result_ready), .data_o(result_word), .used_o(result_used)
  );
  bnn_write_dma u_write_dma (
    .clk_i, .rst_ni(run_rst_n), .stop_i(stop), .idle_o(write_idle), .error_o(write_error), .start_i(write_start),
    .addr_i(write_addr), .words_i(write_words), .done_o(write_done), .valid_i(result_valid), .ready_o(result_ready),
    .data_i(result_word), .used_i(result_used), .m_awaddr_o, .m_awlen_o, .m_awvalid_o, .m_awready_i, .m_wdata_o,
    .m_wstrb_o, .m_wlast_o, .m_wvalid_o, .m_wready_i, .m_bresp_i, .m_bvalid_i, .m_bready_o
  );

`ifndef SYNTHESIS
  assert property (@(posedge clk_i) disable iff (!run_rst_n) program_word_valid |-> queue_in_ready)
    else $error("bnn_core: parameters without room");
`endif
endmodule
