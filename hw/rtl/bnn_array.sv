// The XNOR-popcount array: LANES × PE × SIMD bit operations a cycle, PE / 8 groups along a chain.
//
// A step goes in, its words two cycles later; 8 + GROUPS cycles after a step that closes a pool window bits_o (PE p of
// lane l at PE·l + p) is its result.
module bnn_array #(
  parameter int LANES = 8,
  parameter int PE = 32,
  parameter int SIMD = 64,
  parameter int RING_DEPTH = 512,
  parameter int ACC_WIDTH = 20,
  localparam int GROUPS = PE / 8
) (
  input  logic                   clk_i,
  input  bnn_types::pe_step_t    step_i,
  input  logic [LANES*SIMD-1:0]  act_i,
  input  bnn_types::ring_write_t write_i,
  output logic [LANES*PE-1:0]    bits_o
);
  localparam int STEP = $bits(step_i);
  localparam int WRITE = $bits(write_i);
  localparam int ACT = LANES * SIMD;

  // Link g of a chain goes into group g.
  logic [(GROUPS+1)*STEP-1:0] step;
  logic [(GROUPS+1)*WRITE-1:0] write;
  logic [(GROUPS+1)*ACT-1:0] act;
  assign step[STEP-1:0]   = step_i;
  assign write[WRITE-1:0] = write_i;
  assign act[ACT-1:0]     = act_i;

  for (genvar g = 0; g < GROUPS; g++) begin : g_group
    logic [8*LANES-1:0] bits, even;
    bnn_pe_group #(
      .LANES(LANES), .SIMD(SIMD), .RING_DEPTH(RING_DEPTH), .ACC_WIDTH(ACC_WIDTH), .GROUP(g)
    ) u_group (
      .clk_i(clk_i),
      .step_i(step[g*STEP +: STEP]), .step_o(step[(g+1)*STEP +: STEP]),
      .act_i(act[g*ACT +: ACT]), .act_o(act[(g+1)*ACT +: ACT]),
      .write_i(write[g*WRITE +: WRITE]), .write_o(write[(g+1)*WRITE +: WRITE]),
      .bits_o(bits)
    );

    // Results of the first groups wait for the last group's.
    if (g == GROUPS - 1) begin : g_last
      assign even = bits;
    end else begin : g_wait
      bnn_delay #(.WIDTH(8 * LANES), .CYCLES(GROUPS - 1 - g)) u_even (.clk_i(clk_i), .in_i(bits), .out_o(even));
    end
    for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
      assign bits_o[PE*lane + 8*g +: 8] = even[8*lane +: 8];
    end
  end
endmodule
