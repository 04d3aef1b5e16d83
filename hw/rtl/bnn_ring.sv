// One PE's part of the parameter ring: DEPTH words of 64 bits, one block RAM. Read latency 2 (output registered).
module bnn_ring #(
  parameter int DEPTH = 512
) (
  input  logic                     clk_i,
  input  logic                     write_i,
  input  logic [$clog2(DEPTH)-1:0] write_row_i,
  input  logic [63:0]              write_data_i,
  input  logic [$clog2(DEPTH)-1:0] read_row_i,
  output logic [63:0]              read_data_o
);
  (* ram_style = "block" *) logic [63:0] memory [DEPTH];
  logic [63:0] word_q;

  always_ff @(posedge clk_i) begin
    if (write_i) memory[write_row_i] <= write_data_i;
    word_q      <= memory[read_row_i];
    read_data_o <= word_q;
  end
endmodule
