// Two registers taken in turns: a stream passes at full rate, and neither ready nor valid passes within a cycle.
module bnn_slice #(
  parameter int WIDTH = 64
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             valid_i,
  output logic             ready_o,
  input  logic [WIDTH-1:0] data_i,
  output logic             valid_o,
  input  logic             ready_i,
  output logic [WIDTH-1:0] data_o
);
  logic [WIDTH-1:0] even_q, odd_q;
  logic write_q, read_q, push, pop;
  assign push   = valid_i && ready_o;
  assign pop    = valid_o && ready_i;
  assign data_o = read_q ? odd_q : even_q;

  // What is offered while there is room may be written; it counts only when it is valid.
  always_ff @(posedge clk_i) begin
    if (ready_o && !write_q) even_q <= data_i;
    if (ready_o && write_q) odd_q <= data_i;
    if (!rst_ni) begin
      write_q <= 1'b0;
      read_q  <= 1'b0;
      ready_o <= 1'b1;
      valid_o <= 1'b0;
    end else begin
      if (push) write_q <= !write_q;
      if (pop) read_q <= !read_q;
      // Full when a second word comes, empty when the last one goes.
      if (push && !pop) {ready_o, valid_o} <= {!valid_o, 1'b1};
      if (pop && !push) {ready_o, valid_o} <= {1'b1, !ready_o};
    end
  end

`ifndef SYNTHESIS
  assert property (@(posedge clk_i) disable iff (!rst_ni) valid_o && !ready_i |=> valid_o && $stable(data_o))
    else $error("bnn_slice: an offered word changed");
`endif
endmodule
