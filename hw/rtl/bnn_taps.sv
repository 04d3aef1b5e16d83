// Which taps of a window lie inside the map, along one side: first_o ≤ tap ≤ last_o, a cycle after start_i.
//
// start_i is the place of tap 0, from −6 (in the padding) to size − 1, so one tap at least is inside. size_i settles two
// cycles before the answer.
module bnn_taps (
  input  logic               clk_i,
  input  logic [2:0]         kernel_i,
  input  logic [15:0]        size_i,
  input  logic signed [15:0] start_i,
  output logic [2:0]         first_o,
  output logic [2:0]         last_o
);
  logic [15:0] size_m1_q, room_q; // room: the last tap that is inside, if the kernel is that large
  logic [2:0] start_q;
  logic before_q;
  always_ff @(posedge clk_i) begin
    size_m1_q <= size_i - 16'd1;
    room_q    <= size_m1_q - start_i;
    start_q   <= start_i[2:0];
    before_q  <= start_i[15];
  end
  assign first_o = before_q ? -start_q : 3'd0;
  assign last_o  = room_q[15:3] == '0 && room_q[2:0] < kernel_i ? room_q[2:0] : kernel_i - 3'd1;
endmodule
