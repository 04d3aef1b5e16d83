// A lane's ping-pong memory: DEPTH words of 64 bits, one read and one write a cycle. Read latency 2.
//
// Both maps of a layer lie in the one memory: it is read at one place and written at another, and the next layer swaps
// the roles. The scheduler draws the border for each layer, so a large map may sit beside a small one; two memories of
// fixed halves would hold less and need a wide multiplexer behind them.
module bnn_buffer #(
  parameter int DEPTH = 4096
) (
  input  logic                     clk_i,
  input  logic [7:0]               write_bytes_i,
  input  logic [$clog2(DEPTH)-1:0] write_addr_i,
  input  logic [63:0]              write_data_i,
  input  logic [$clog2(DEPTH)-1:0] read_addr_i,
  output logic [63:0]              read_data_o
);
  (* ram_style = "block" *) logic [63:0] memory [DEPTH];
  logic [63:0] word_q;

  always_ff @(posedge clk_i) begin
    for (int b = 0; b < 8; b++) begin
      if (write_bytes_i[b]) memory[write_addr_i][8*b +: 8] <= write_data_i[8*b +: 8];
    end
    word_q      <= memory[read_addr_i];
    read_data_o <= word_q;
  end
endmodule
