// Eight bytes of the pixel window, see bnn_window; a module of its own so that its copy of swap_i stays one.
module bnn_window_row (
  input  logic        clk_i,
  input  logic [63:0] bytes_i,   // cycle 1
  input  logic [7:0]  take_i,    // cycle 1
  input  logic        swap_i,    // cycle 0
  input  logic        pad_i,
  input  logic [2:0]  plane_i,
  output logic [7:0]  plane_o
);
  (* keep *) logic swap_q;
  always_ff @(posedge clk_i) swap_q <= swap_i;

  for (genvar m = 0; m < 8; m++) begin : g_byte
    logic [7:0] next_q, used_q;
    always_ff @(posedge clk_i) begin
      if (swap_q) next_q <= {pad_i, 7'b0};
      else if (take_i[m]) next_q <= bytes_i[8*m +: 8];
      if (swap_q) used_q <= next_q;
    end
    assign plane_o[m] = used_q[3'd7 - plane_i];
  end
endmodule
