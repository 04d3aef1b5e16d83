// All lanes, with the delays that bring shared control to them at the right cycle.
//
// Cycles count from a step at step_i: the lane is asked in cycle 1, act_o follows in cycle 5, the array's bits come
// back BITS cycles after the step. A gather or a read-out asks in its own cycle; word_o follows 4 later.
module bnn_lanes #(
  parameter int LANES = 8,
  parameter int PE = 32,
  parameter int SIMD = 64,
  parameter int BUFFER_DEPTH = 4096,
  parameter int BITS = 16
) (
  input  logic                    clk_i,
  input  bnn_pkg::layer_t         layer_i,
  input  bnn_types::step_t        step_i,
  input  bnn_types::fetch_t       gather_fetch_i,
  input  bnn_types::gather_t      gather_i,
  input  bnn_types::fetch_t       output_fetch_i,
  input  logic [2:0]              output_lane_i,
  input  logic [LANES*PE-1:0]     bits_i,
  input  bnn_types::load_t        load_i,
  output logic                    load_ready_o,
  output logic [LANES*SIMD-1:0]   act_o,
  output logic [63:0]             word_o
);
  localparam int ADDR = $clog2(BUFFER_DEPTH);

  // Cycle 1: whom to read for. Layers run dry before the next one starts, so only one asks at a time.
  logic [ADDR-1:0] step_addr_q, addr;
  always_ff @(posedge clk_i) step_addr_q <= step_i.addr[ADDR-1:0];
  always_comb begin
    if (output_fetch_i.read) addr = output_fetch_i.addr[ADDR-1:0];
    else if (gather_fetch_i.read) addr = gather_fetch_i.addr[ADDR-1:0];
    else addr = step_addr_q;
  end

  logic [2:0] sel, plane, rotate;
  logic [1:0] part;
  logic swap;
  bnn_delay #(.WIDTH(6), .CYCLES(3)) u_sel (.clk_i(clk_i), .in_i({step_i.sel, step_i.plane}), .out_o({sel, plane}));
  bnn_delay #(.WIDTH(2), .CYCLES(4)) u_part (.clk_i(clk_i), .in_i(step_i.part), .out_o(part));
  bnn_delay #(.WIDTH(3), .CYCLES(2)) u_rotate (.clk_i(clk_i), .in_i(gather_i.rotate), .out_o(rotate));
  bnn_delay #(.WIDTH(1), .CYCLES(3)) u_swap (.clk_i(clk_i), .in_i(gather_i.swap), .out_o(swap));

  // Which window bytes a gathered word goes to. Lanes share these registers: a copy for each lane would leave 512 groups
  // of eight flip-flops with an enable of their own, which cannot share slices with others.
  logic take;
  logic [6:0] low, high;
  logic [63:0] take_q;
  bnn_delay #(.WIDTH(15), .CYCLES(3)) u_take (
    .clk_i(clk_i), .in_i({gather_i.take, gather_i.low, gather_i.high}), .out_o({take, low, high})
  );
  always_ff @(posedge clk_i) begin
    for (int m = 0; m < 64; m++) take_q[m] <= take && 7'(m) >= low && 7'(m) < high;
  end

  logic [63:0] mask_q;
  always_ff @(posedge clk_i) mask_q <= ~(64'hffff_ffff_ffff_ffff << layer_i.last_channels);

  // Writes: a copied plane in cycle 5, the array's bits in cycle BITS. A layer has one or the other. They are brought
  // together a cycle before, and each lane has a register of its own for them.
  bnn_types::lane_write_t copy, result, write_q;
  bnn_types::lane_write_t copy_d, result_d;
  always_comb begin
    copy_d.valid = step_i.write && step_i.copy;
    copy_d.copy  = 1'b1;
    copy_d.addr  = step_i.out_addr;
    copy_d.part  = 3'd0;
  end
  always_comb begin
    result_d.valid = step_i.write && !step_i.copy;
    result_d.copy  = 1'b0;
    result_d.addr  = step_i.out_addr;
    result_d.part  = step_i.out_part;
  end
  bnn_delay #(.WIDTH($bits(copy)), .CYCLES(3)) u_copy (.clk_i(clk_i), .in_i(copy_d), .out_o(copy));
  bnn_delay #(.WIDTH($bits(result)), .CYCLES(BITS - 2)) u_result (.clk_i(clk_i), .in_i(result_d), .out_o(result));
  always_ff @(posedge clk_i) write_q <= copy.valid ? copy : result;
  assign load_ready_o = !write_q.valid;

  logic [64*LANES-1:0] words;
  for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
    bnn_lane #(.LANE(lane), .PE(PE), .SIMD(SIMD), .BUFFER_DEPTH(BUFFER_DEPTH)) u_lane (
      .clk_i(clk_i), .addr_i(addr), .rotate_i(rotate), .take_i(take_q), .swap_i(swap), .sel_i(sel), .plane_i(plane),
      .part_i(part), .pad_i(layer_i.pad_byte[7]), .mask_i(mask_q), .write_i(write_q), .bits_i(bits_i[PE*lane +: PE]),
      .load_i(load_i), .word_o(words[64*lane +: 64]), .act_o(act_o[SIMD*lane +: SIMD])
    );
  end

  logic [2:0] output_lane;
  bnn_delay #(.WIDTH(3), .CYCLES(3)) u_output_lane (.clk_i(clk_i), .in_i(output_lane_i), .out_o(output_lane));
  always_ff @(posedge clk_i) word_o <= words[64*output_lane +: 64];

`ifndef SYNTHESIS
  assert property (@(posedge clk_i) !(copy.valid && result.valid)) else $error("bnn_lanes: two writes at once");
  assert property (@(posedge clk_i) !(output_fetch_i.read && gather_fetch_i.read)) else $error("bnn_lanes: two reads");
`endif
endmodule
