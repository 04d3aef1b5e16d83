// The address side of the core: positions, the three walkers over the one array, and the steps.
module bnn_walk #(
  parameter int PE = 32,
  parameter int SIMD = 64,
  parameter int RING_DEPTH = 512,
  parameter int BUFFER_DEPTH = 4096,
  parameter int ACC_WIDTH = 20
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  start_i,
  input  bnn_pkg::layer_t       layer_i,
  input  logic [15:0]           slots_i,
  output logic                  done_o,
  input  logic [15:0]           rows_i,
  output logic                  release_o,
  output bnn_types::step_t      step_o,
  output bnn_types::fetch_t     fetch_o,
  output bnn_types::gather_t    gather_o,
  output logic                  range_o,
  output logic                  starved_o
);
  // The walker of this layer, registered, since a layer settles a cycle before it starts; kind PLANES is FP-Conv's
  // gathering without the sums.
  logic is_fc_q, is_conv_q, is_fp_q;
  always_ff @(posedge clk_i) begin
    is_fc_q   <= layer_i.kind == bnn_pkg::KIND_BIN_FC;
    is_conv_q <= layer_i.kind == bnn_pkg::KIND_BIN_CONV;
    is_fp_q   <= layer_i.kind != bnn_pkg::KIND_BIN_FC && layer_i.kind != bnn_pkg::KIND_BIN_CONV;
  end

  bnn_types::position_t position;
  bnn_types::window_t window;
  bnn_types::walk_t conv_walk, fc_walk, fp_walk, walk;
  logic position_valid, position_ready, window_valid, window_ready, fp_ready, fp_valid;
  logic walk_valid, walk_ready, fp_start, range, fetch_range_q;

  bnn_positions #(.PE(PE), .ACC_WIDTH(ACC_WIDTH)) u_positions (
    .clk_i(clk_i), .rst_ni(rst_ni), .start_i(start_i), .layer_i(layer_i), .slots_i(slots_i),
    .valid_o(position_valid), .ready_i(position_ready), .position_o(position)
  );

  bnn_windows u_windows (
    .clk_i(clk_i), .rst_ni(rst_ni), .layer_i(layer_i), .valid_i(position_valid), .ready_o(position_ready),
    .position_i(position), .valid_o(window_valid), .ready_i(window_ready), .window_o(window)
  );
  assign window_ready = is_fp_q ? fp_ready : walk_ready;

  assign fp_start = start_i && is_fp_q;
  bnn_fp_conv u_fp_conv (
    .clk_i(clk_i), .rst_ni(rst_ni), .start_i(fp_start), .layer_i(layer_i), .valid_i(window_valid && is_fp_q),
    .ready_o(fp_ready), .window_i(window), .valid_o(fp_valid), .ready_i(walk_ready), .walk_o(fp_walk),
    .fetch_o(fetch_o), .gather_o(gather_o)
  );
  bnn_bin_conv u_bin_conv (.clk_i(clk_i), .layer_i(layer_i), .window_i(window), .walk_o(conv_walk));
  bnn_bin_fc u_bin_fc (.clk_i(clk_i), .layer_i(layer_i), .window_i(window), .walk_o(fc_walk));

  assign walk       = is_fc_q ? fc_walk : is_conv_q ? conv_walk : fp_walk;
  assign walk_valid = is_fp_q ? fp_valid : window_valid;
  bnn_steps #(
    .SIMD(SIMD), .RING_DEPTH(RING_DEPTH), .BUFFER_DEPTH(BUFFER_DEPTH), .ACC_WIDTH(ACC_WIDTH)
  ) u_steps (
    .clk_i(clk_i), .rst_ni(rst_ni), .start_i(start_i), .layer_i(layer_i), .done_o(done_o), .valid_i(walk_valid),
    .ready_o(walk_ready), .walk_i(walk), .rows_i(rows_i), .release_o(release_o), .step_o(step_o), .range_o(range),
    .starved_o(starved_o)
  );

  always_ff @(posedge clk_i) fetch_range_q <= rst_ni && fetch_o.read && fetch_o.addr >= 16'(BUFFER_DEPTH);
  assign range_o = range || fetch_range_q;
endmodule
