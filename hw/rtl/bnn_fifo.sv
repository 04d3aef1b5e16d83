// A queue in LUT memory with a register behind it, so that a word at data_o comes from flip-flops. used_o counts words.
//
// Whether there is room or a word in memory is known a cycle before, in registers: no signal passes through.
module bnn_fifo #(
  parameter int WIDTH = 64,
  parameter int DEPTH = 64,
  localparam int COUNT = $clog2(DEPTH + 1)
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             valid_i,
  output logic             ready_o,
  input  logic [WIDTH-1:0] data_i,
  output logic             valid_o,
  input  logic             ready_i,
  output logic [WIDTH-1:0] data_o,
  output logic [COUNT-1:0] used_o
);
  localparam int BITS = $clog2(DEPTH);
  (* ram_style = "distributed" *) logic [WIDTH-1:0] memory [DEPTH];
  logic [BITS-1:0] write_q, read_q;
  logic [COUNT-1:0] stored_q;
  logic any_q, push, fetch, pop;

  assign push  = valid_i && ready_o;
  assign pop   = valid_o && ready_i;
  assign fetch = any_q && (!valid_o || ready_i);

  always_ff @(posedge clk_i) begin
    if (push) memory[write_q] <= data_i;
    if (fetch) data_o <= memory[read_q];
    if (!rst_ni) begin
      write_q  <= '0;
      read_q   <= '0;
      stored_q <= '0;
      any_q    <= 1'b0;
      used_o   <= '0;
      ready_o  <= 1'b1;
      valid_o  <= 1'b0;
    end else begin
      if (push) write_q <= write_q + 1'b1;
      if (fetch) read_q <= read_q + 1'b1;
      if (push != fetch) begin
        stored_q <= push ? stored_q + 1'b1 : stored_q - 1'b1;
        any_q    <= push || stored_q != COUNT'(1);
      end
      if (push != pop) begin
        used_o  <= push ? used_o + 1'b1 : used_o - 1'b1;
        ready_o <= pop || used_o != COUNT'(DEPTH - 1);
      end
      valid_o <= fetch || (valid_o && !ready_i);
    end
  end

`ifndef SYNTHESIS
  // A word that is offered stays until it is taken.
  assert property (@(posedge clk_i) disable iff (!rst_ni) valid_o && !ready_i |=> valid_o && $stable(data_o))
    else $error("bnn_fifo: an offered word changed");
`endif
endmodule
