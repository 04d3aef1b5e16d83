// One lane: an image's maps in a ping-pong memory, the pixel window, and the word that goes to the array.
//
// Reads: addr_i in cycle 0, the word is at word_o in cycle 3, at act_o in cycle 4. Control inputs say which cycle they
// belong to. Writes: the array's bits, a copied plane or a word from DDR, one a cycle, in memory three cycles later.
module bnn_lane #(
  parameter int LANE = 0,
  parameter int PE = 32,
  parameter int SIMD = 64,
  parameter int BUFFER_DEPTH = 4096,
  localparam int ADDR = $clog2(BUFFER_DEPTH)
) (
  input  logic                      clk_i,
  input  logic [ADDR-1:0]           addr_i,       // cycle 0
  input  logic [2:0]                rotate_i,     // cycle 2
  input  logic [63:0]               take_i,       // cycle 4
  input  logic                      swap_i,       // cycle 3
  input  logic [2:0]                sel_i,        // cycle 2
  input  logic [2:0]                plane_i,      // cycle 2
  input  logic [1:0]                part_i,       // cycle 3
  input  logic                      pad_i,
  input  logic [63:0]               mask_i,
  input  bnn_types::lane_write_t    write_i,      // the array's result, or a plane if `copy`: a cycle before its data
  input  logic [PE-1:0]             bits_i,
  input  bnn_types::load_t          load_i,       // a word from DDR, taken when write_i is not valid
  output logic [63:0]               word_o,       // cycle 3
  output logic [SIMD-1:0]           act_o         // cycle 4
);
  // Registers of its own keep the fan-out of shared control within a lane.
  bnn_types::lane_write_t write_q;
  logic [ADDR-1:0] load_addr_q;
  logic [63:0] load_data_q;
  logic load_q;
  logic [ADDR-1:0] addr_q;
  logic [2:0] rotate_q, sel_q, plane_q;
  logic [1:0] part_q;
  always_ff @(posedge clk_i) begin
    addr_q   <= addr_i;
    rotate_q <= rotate_i;
    sel_q    <= sel_i;
    plane_q  <= plane_i;
    part_q   <= part_i;
    write_q  <= write_i;
    load_q      <= load_i.valid && !write_i.valid && load_i.lane == 3'(LANE);
    load_addr_q <= load_i.addr[ADDR-1:0];
    load_data_q <= load_i.data;
  end

  logic [7:0] write_bytes_q;
  logic [ADDR-1:0] write_addr_q;
  logic [63:0] write_data_q, plane, act_q;

  bnn_buffer #(.DEPTH(BUFFER_DEPTH)) u_buffer (
    .clk_i(clk_i), .write_bytes_i(write_bytes_q), .write_addr_i(write_addr_q), .write_data_i(write_data_q),
    .read_addr_i(addr_q), .read_data_o(word_o)
  );

  bnn_window u_window (
    .clk_i(clk_i), .word_i(word_o), .rotate_i(rotate_q), .take_i(take_i), .swap_i(swap_i), .pad_i(pad_i),
    .plane_i(plane_q), .plane_o(plane)
  );

  always_ff @(posedge clk_i) begin
    case (sel_q)
      bnn_types::SEL_BUFFER: act_q <= word_o;
      bnn_types::SEL_PLANE:  act_q <= plane;
      bnn_types::SEL_ONES:   act_q <= '1;
      bnn_types::SEL_MASK:   act_q <= mask_i;
      default:               act_q <= '0;
    endcase
  end

  if (SIMD == 64) begin : g_whole
    assign act_o = act_q;
  end else begin : g_part
    assign act_o = act_q[32'(part_q) * SIMD +: SIMD];
  end

  // A result has PE bits. The first part of a word comes first and clears the others; they are then written one by one.
  localparam logic [7:0] PART_BYTES = 8'((1 << (PE / 8)) - 1);
  logic [63:0] result;
  logic [7:0] result_bytes;
  logic first_part;
  assign first_part = write_q.part == '0;
  assign result_bytes = first_part ? '1 : PART_BYTES << (32'(write_q.part) * (PE / 8));
  for (genvar p = 0; p < 64 / PE; p++) begin : g_result
    assign result[PE*p +: PE] = p != 0 && first_part ? '0 : bits_i;
  end
  always_ff @(posedge clk_i) begin
    write_addr_q <= write_q.valid ? write_q.addr[ADDR-1:0] : load_addr_q;
    write_data_q <= !write_q.valid ? load_data_q : write_q.copy ? act_q : result;
    if (write_q.valid) write_bytes_q <= write_q.copy ? '1 : result_bytes;
    else write_bytes_q <= {8{load_q}};
  end
endmodule
