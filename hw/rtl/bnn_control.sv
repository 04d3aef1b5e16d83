// Starts and ends runs: checks what the registers ask for, stops on errors or a reset, counts cycles.
//
// Everything below is held in reset between runs (run_rst_no). A run ends by done_i, an error or a reset; then no new
// bursts begin (stop_o), those under way are let end, and only then the run's reset closes. So the AXI port is never
// cut off in the middle of a burst, whatever happens.
module bnn_control (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        start_i,
  input  logic        reset_i,
  input  logic        interrupt_enable_i,
  input  logic [31:0] program_addr_i,
  input  logic [31:0] program_words_i,
  input  logic [31:0] image_addr_i,
  input  logic [31:0] image_count_i,
  input  logic [31:0] result_addr_i,
  output logic        run_rst_no,
  output logic        run_start_o,
  output logic        stop_o,
  input  logic        idle_i,          // no burst is under way
  input  logic        done_i,
  input  logic [7:0]  params_error_i,
  input  logic [7:0]  params_layer_i,
  input  logic [7:0]  layer_i,
  input  logic        range_i,
  input  logic        results_i,
  input  logic        read_error_i,
  input  logic        write_error_i,
  input  logic        step_i,
  input  logic        wait_parameters_i,
  input  logic        wait_images_i,
  input  logic        wait_results_i,
  output logic        irq_o,
  output logic [31:0] status_o,
  output logic [31:0] cycles_o,
  output logic [31:0] steps_o,
  output logic [31:0] wait_parameters_o,
  output logic [31:0] wait_images_o,
  output logic [31:0] wait_results_o
);
  typedef enum logic [2:0] {IDLE, CHECK, OPEN, START, RUN, STOP} state_e;
  state_e state_q;

  logic run_q, done_q, failed_q, clearing_q, bad_start_q;
  logic [7:0] error_q, error_layer_q, error, error_layer;
  always_ff @(posedge clk_i) begin
    bad_start_q <= program_addr_i[2:0] != '0 || image_addr_i[2:0] != '0 || result_addr_i[2:0] != '0
                   || program_words_i == '0 || image_count_i == '0;
  end

  // Errors and the end are acted upon a cycle after they are told.
  logic [7:0] told_q, told_layer_q;
  logic ended_q;
  always_ff @(posedge clk_i) begin
    told_q       <= run_q ? error : bnn_pkg::ERROR_NONE;
    told_layer_q <= error_layer;
    ended_q      <= run_q && done_i;
  end
  always_comb begin
    error_layer = layer_i;
    if (read_error_i) error = bnn_pkg::ERROR_READ;
    else if (write_error_i) error = bnn_pkg::ERROR_WRITE;
    else if (params_error_i != bnn_pkg::ERROR_NONE) {error, error_layer} = {params_error_i, params_layer_i};
    else if (range_i) error = bnn_pkg::ERROR_RANGE;
    else if (results_i) error = bnn_pkg::ERROR_RESULTS;
    else error = bnn_pkg::ERROR_NONE;
  end

  // STOP also waits for a burst that begins now: stop_o comes a cycle late, idle_q two.
  logic [3:0] settle_q;
  logic idle_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q    <= IDLE;
      done_q     <= 1'b0;
      failed_q   <= 1'b0;
      clearing_q <= 1'b0;
      error_q    <= bnn_pkg::ERROR_NONE;
      error_layer_q <= '0;
    end else begin
      settle_q <= state_q == STOP ? {settle_q[2:0], 1'b1} : 4'd0;
      idle_q   <= idle_i;
      case (state_q)
        IDLE: if (start_i) begin
          state_q  <= CHECK;
          done_q   <= 1'b0;
          failed_q <= 1'b0;
          error_q  <= bnn_pkg::ERROR_NONE;
          error_layer_q <= '0;
        end
        CHECK: begin
          state_q <= bad_start_q ? STOP : OPEN;
          if (bad_start_q) begin
            failed_q <= 1'b1;
            error_q  <= bnn_pkg::ERROR_START;
          end
        end
        OPEN: state_q <= START;
        START: state_q <= RUN;
        RUN: if (told_q != bnn_pkg::ERROR_NONE) begin
          state_q       <= STOP;
          failed_q      <= 1'b1;
          error_q       <= told_q;
          error_layer_q <= told_layer_q;
        end else if (ended_q) begin
          state_q <= STOP;
        end
        STOP: if (settle_q[3] && idle_q) begin
          state_q    <= IDLE;
          done_q     <= !clearing_q;
          clearing_q <= 1'b0;
        end
        default: state_q <= IDLE;
      endcase
      if (reset_i) begin
        if (state_q != IDLE) {state_q, clearing_q} <= {STOP, 1'b1};
        done_q   <= 1'b0;
        failed_q <= 1'b0;
        error_q  <= bnn_pkg::ERROR_NONE;
        error_layer_q <= '0;
      end
    end
  end

  // The run's reset reaches half of the core, so it comes from a register, a cycle behind the state.
  always_ff @(posedge clk_i) begin
    stop_o <= rst_ni && state_q == STOP;
    run_q  <= rst_ni && (state_q == OPEN || state_q == START || state_q == RUN || state_q == STOP);
  end
  assign run_rst_no  = rst_ni && run_q;
  assign run_start_o = state_q == START;
  assign irq_o       = done_q && interrupt_enable_i;
  // While a run goes well, LAYER tells where it is.
  assign status_o = {8'd0, failed_q ? error_layer_q : layer_i, error_q, 5'd0, failed_q, done_q, state_q != IDLE};

  // Events are counted a cycle after they are seen.
  logic step_q, wait_parameters_q, wait_images_q, wait_results_q;
  always_ff @(posedge clk_i) begin
    step_q            <= state_q == RUN && step_i;
    wait_parameters_q <= state_q == RUN && wait_parameters_i;
    wait_images_q     <= state_q == RUN && wait_images_i;
    wait_results_q    <= state_q == RUN && wait_results_i;
    if (state_q == CHECK) begin
      cycles_o          <= '0;
      steps_o           <= '0;
      wait_parameters_o <= '0;
      wait_images_o     <= '0;
      wait_results_o    <= '0;
    end else begin
      cycles_o          <= cycles_o + 32'(state_q != IDLE);
      steps_o           <= steps_o + 32'(step_q);
      wait_parameters_o <= wait_parameters_o + 32'(wait_parameters_q);
      wait_images_o     <= wait_images_o + 32'(wait_images_q);
      wait_results_o    <= wait_results_o + 32'(wait_results_q);
    end
  end
endmodule
