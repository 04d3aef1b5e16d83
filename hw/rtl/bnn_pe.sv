// One PE: its ring memory and thresholds, shared by the LANES dot products that use them.
//
// A threshold row of the ring is kept in registers until the tile ends; a sum starts at ⌊(start − N)/2⌋ with N the
// number of real inputs under the window, so that adding popcounts gives half the signed sum less half the threshold.
// Cycles are counted from the ring row's arrival, row_i in cycle 0; words meet in cycle 2.
module bnn_pe #(
  parameter int LANES = 8,
  parameter int SIMD = 64,
  parameter int RING_DEPTH = 512,
  parameter int ACC_WIDTH = 20
) (
  input  logic                          clk_i,
  input  logic                          write_i,
  input  logic [$clog2(RING_DEPTH)-1:0] write_row_i,
  input  logic [63:0]                   write_data_i,
  input  logic [$clog2(RING_DEPTH)-1:0] row_i,        // cycle 0
  input  logic [LANES*SIMD-1:0]         act_i,        // cycle 2
  input  logic [1:0]                    part_i,       // cycle 2
  input  logic                          thresholds_i, // cycle 2
  input  logic [15:0]                   values_i,     // cycle 5
  input  logic [2:0]                    plane_i,      // cycle 5
  input  logic                          valid_i,      // cycle 5
  input  logic                          first_i,      // cycle 5
  input  logic                          twice_i,     // cycle 5
  input  logic                          last_i,       // cycle 6
  input  logic                          pool_first_i, // cycle 6
  output logic [LANES-1:0]              bit_o         // cycle 8
);
  logic [63:0] word;
  logic [SIMD-1:0] weight;

  bnn_ring #(.DEPTH(RING_DEPTH)) u_ring (
    .clk_i(clk_i), .write_i(write_i), .write_row_i(write_row_i), .write_data_i(write_data_i),
    .read_row_i(row_i), .read_data_o(word)
  );

  if (SIMD == 64) begin : g_whole
    assign weight = word;
  end else begin : g_part
    assign weight = word[32'(part_i) * SIMD +: SIMD];
  end

  // Of the threshold record only as many bits as the accumulator has.
  bnn_pkg::threshold_t record;
  assign record = word;

  logic [ACC_WIDTH:0] threshold_q, offset;
  logic [ACC_WIDTH-1:0] start_q;
  logic [6:0] carries_q;
  logic invert_q, carry_q, valid_q, first_q, twice_q, last_q, pool_first_q;
  assign offset = threshold_q - (ACC_WIDTH + 1)'(values_i);

  always_ff @(posedge clk_i) begin
    if (thresholds_i) begin
      threshold_q <= record.start[ACC_WIDTH:0];
      carries_q   <= record.carries;
      invert_q    <= record.invert;
    end
    start_q <= offset[ACC_WIDTH:1];
    carry_q <= plane_i == 3'd0 ? 1'b0 : carries_q[3'd7 - plane_i];
    // A copy of the control for each PE keeps its fan-out to the lanes of one PE.
    {valid_q, first_q, twice_q, last_q, pool_first_q} <= {valid_i, first_i, twice_i, last_i, pool_first_i};
  end

  for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
    bnn_dot #(.SIMD(SIMD), .ACC_WIDTH(ACC_WIDTH)) u_dot (
      .clk_i(clk_i), .act_i(act_i[lane*SIMD +: SIMD]), .weight_i(weight), .start_i(start_q), .valid_i(valid_q),
      .first_i(first_q), .twice_i(twice_q), .carry_i(carry_q), .last_i(last_q), .pool_first_i(pool_first_q),
      .invert_i(invert_q), .bit_o(bit_o[lane])
    );
  end
endmodule
