// Which taps of a window lie inside the map, along one side: first_o ≤ tap ≤ last_o. No delay.
//
// start_i is the place of tap 0, from −6 (in the padding) to size − 1, so one tap at least is inside.
module bnn_taps (
  input  logic [2:0]         kernel_i,
  input  logic [15:0]        size_i,
  input  logic signed [15:0] start_i,
  output logic [2:0]         first_o,
  output logic [2:0]         last_o
);
  logic [15:0] room;
  assign room    = size_i - 16'd1 - start_i; // last tap that is inside, if the kernel is that large
  assign first_o = start_i[15] ? 3'(-start_i) : 3'd0;
  assign last_o  = room < 16'(kernel_i) ? 3'(room) : kernel_i - 3'd1;
endmodule
