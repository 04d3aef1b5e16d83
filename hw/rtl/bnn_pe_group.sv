// Eight PEs and one link of the registered chains that bring words and control to all groups.
//
// Chains instead of fan-out trees: synthesis cannot merge registers that hold different cycles, and every net stays
// short. Group g sees everything g cycles after group 0; bnn_array evens the results out.
module bnn_pe_group #(
  parameter int LANES = 8,
  parameter int SIMD = 64,
  parameter int RING_DEPTH = 512,
  parameter int ACC_WIDTH = 20,
  parameter int GROUP = 0
) (
  input  logic                   clk_i,
  input  bnn_types::pe_step_t    step_i,  // one cycle before step_o
  output bnn_types::pe_step_t    step_o,  // cycle 0
  input  logic [LANES*SIMD-1:0]  act_i,   // one cycle before act_o
  output logic [LANES*SIMD-1:0]  act_o,   // cycle 2
  input  bnn_types::ring_write_t write_i,
  output bnn_types::ring_write_t write_o,
  output logic [8*LANES-1:0]     bits_o   // cycle 8; PE p of lane l at 8·l + p
);
  localparam int ROW_BITS = $clog2(RING_DEPTH);
  localparam logic [2:0] ID = 3'(GROUP);

  always_ff @(posedge clk_i) begin
    step_o  <= step_i;
    act_o   <= act_i;
    write_o <= write_i;
  end

  // Control follows the words through the pipeline.
  logic [1:0] part;
  logic thresholds, valid, first, twice, last, pool_first;
  logic [15:0] values;
  logic [2:0] plane;
  bnn_delay #(.WIDTH(3), .CYCLES(2)) u_arrive (
    .clk_i(clk_i), .in_i({step_o.part, step_o.thresholds}), .out_o({part, thresholds})
  );
  bnn_delay #(.WIDTH(22), .CYCLES(5)) u_start (
    .clk_i(clk_i), .in_i({step_o.valid, step_o.first, step_o.twice, step_o.plane, step_o.values}),
    .out_o({valid, first, twice, plane, values})
  );
  bnn_delay #(.WIDTH(2), .CYCLES(6)) u_finish (
    .clk_i(clk_i), .in_i({step_o.last, step_o.pool_first}), .out_o({last, pool_first})
  );

  for (genvar p = 0; p < 8; p++) begin : g_pe
    logic write_q;
    logic [LANES-1:0] bits;

    always_ff @(posedge clk_i) begin
      write_q <= write_i.valid && write_i.pe == {ID, 3'(p)};
    end

    bnn_pe #(.LANES(LANES), .SIMD(SIMD), .RING_DEPTH(RING_DEPTH), .ACC_WIDTH(ACC_WIDTH)) u_pe (
      .clk_i(clk_i), .write_i(write_q), .write_row_i(write_o.row[ROW_BITS-1:0]), .write_data_i(write_o.data),
      .row_i(step_o.row[ROW_BITS-1:0]), .act_i(act_o), .part_i(part), .thresholds_i(thresholds), .values_i(values),
      .plane_i(plane), .valid_i(valid), .first_i(first), .twice_i(twice), .last_i(last), .pool_first_i(pool_first),
      .bit_o(bits)
    );
    for (genvar lane = 0; lane < LANES; lane++) begin : g_bit
      assign bits_o[8*lane + p] = bits[lane];
    end
  end
endmodule
