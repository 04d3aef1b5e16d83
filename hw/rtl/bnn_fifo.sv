// A queue in LUT memory; the first word shows at data_o without being asked for. used_o counts words.
module bnn_fifo #(
  parameter int WIDTH = 64,
  parameter int DEPTH = 64
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     valid_i,
  output logic                     ready_o,
  input  logic [WIDTH-1:0]         data_i,
  output logic                     valid_o,
  input  logic                     ready_i,
  output logic [WIDTH-1:0]         data_o,
  output logic [$clog2(DEPTH+1)-1:0] used_o
);
  localparam int BITS = $clog2(DEPTH);
  (* ram_style = "distributed" *) logic [WIDTH-1:0] memory [DEPTH];
  logic [BITS-1:0] write_q, read_q;
  logic push, pop;

  assign ready_o = used_o != ($clog2(DEPTH+1))'(DEPTH);
  assign valid_o = used_o != '0;
  assign push    = valid_i && ready_o;
  assign pop     = valid_o && ready_i;
  assign data_o  = memory[read_q];

  always_ff @(posedge clk_i) begin
    if (push) memory[write_q] <= data_i;
    if (!rst_ni) begin
      write_q <= '0;
      read_q  <= '0;
      used_o  <= '0;
    end else begin
      if (push) write_q <= write_q + 1'b1;
      if (pop) read_q <= read_q + 1'b1;
      if (push != pop) used_o <= push ? used_o + 1'b1 : used_o - 1'b1;
    end
  end

`ifndef SYNTHESIS
  // A word that is offered stays until it is taken.
  assert property (@(posedge clk_i) disable iff (!rst_ni) valid_o && !ready_i |=> valid_o && $stable(data_o))
    else $error("bnn_fifo: an offered word changed");
`endif
endmodule
