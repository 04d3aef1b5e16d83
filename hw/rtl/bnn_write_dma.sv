// AXI writes of one stream of words.
//
// A burst (up to 16 beats, within 4 KB) is announced only when all its words wait in the queue, so it never stalls
// between beats and a stop (stop_i: no new bursts) leaves none half done. idle_o: all announced bursts were answered.
module bnn_write_dma #(
  parameter int OUTSTANDING = 8
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        stop_i,
  output logic        idle_o,
  output logic        error_o,
  // A stretch of words for each start; done_o when all of it is announced.
  input  logic        start_i,
  input  logic [31:0] addr_i,
  input  logic [31:0] words_i,
  output logic        done_o,
  // Words from bnn_output's queue
  input  logic        valid_i,
  output logic        ready_o,
  input  logic [63:0] data_i,
  input  logic [6:0]  used_i,
  // AXI write channels
  output logic [31:0] m_awaddr_o,
  output logic [3:0]  m_awlen_o,
  output logic        m_awvalid_o,
  input  logic        m_awready_i,
  output logic [63:0] m_wdata_o,
  output logic [7:0]  m_wstrb_o,
  output logic        m_wlast_o,
  output logic        m_wvalid_o,
  input  logic        m_wready_i,
  input  logic [1:0]  m_bresp_i,
  input  logic        m_bvalid_i,
  output logic        m_bready_o
);
  logic [31:0] addr_q, left_q;
  logic [4:0] border, burst_q, beats_q;
  logic [$clog2(OUTSTANDING+1)-1:0] answers_q;
  logic any_q, ends, ends_q, known_q, waiting_q, sending_q, last_q, room, issue, beat;

  // A burst's length is known a cycle after the address; whether its words wait, a cycle after that and after the last
  // beat of the burst before.
  assign border = 5'd16 - {1'b0, addr_q[6:3]};
  assign ends   = left_q[31:5] == '0 && left_q[4:0] <= border;
  always_ff @(posedge clk_i) begin
    ends_q    <= ends;
    burst_q   <= ends ? left_q[4:0] : border;
    known_q   <= rst_ni && any_q && !issue && !start_i;
    waiting_q <= rst_ni && known_q && !issue && !start_i && !sending_q && used_i >= 7'(burst_q);
  end
  assign issue  = waiting_q && !stop_i && !m_awvalid_o
                  && answers_q != ($clog2(OUTSTANDING+1))'(OUTSTANDING);
  assign beat   = sending_q && room;
  assign done_o = !any_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      m_awvalid_o <= 1'b0;
      any_q       <= 1'b0;
      sending_q   <= 1'b0;
      answers_q   <= '0;
      error_o     <= 1'b0;
    end else begin
      if (m_awready_i) m_awvalid_o <= 1'b0;
      if (issue) begin
        m_awvalid_o <= 1'b1;
        m_awaddr_o  <= addr_q;
        m_awlen_o   <= 4'(burst_q - 5'd1);
        sending_q   <= 1'b1;
        last_q      <= burst_q == 5'd1;
        beats_q     <= burst_q;
        addr_q      <= addr_q + {24'd0, burst_q, 3'b000};
        left_q      <= left_q - 32'(burst_q);
        any_q       <= !ends_q;
      end else if (beat) begin
        sending_q <= !last_q;
        last_q    <= beats_q == 5'd2;
        beats_q   <= beats_q - 5'd1;
      end
      if (start_i) begin
        addr_q <= addr_i;
        left_q <= words_i;
        any_q  <= words_i != '0;
      end
      answers_q <= answers_q + ($clog2(OUTSTANDING+1))'(issue) - ($clog2(OUTSTANDING+1))'(m_bvalid_i);
      error_o   <= m_bvalid_i && m_bresp_i[1];
    end
  end

  assign m_wstrb_o  = '1;
  assign m_bready_o = 1'b1;
  assign ready_o    = beat;
  assign idle_o     = answers_q == '0 && !m_awvalid_o;

  bnn_slice #(.WIDTH(65)) u_beats (
    .clk_i(clk_i), .rst_ni(rst_ni), .valid_i(sending_q), .ready_o(room), .data_i({last_q, data_i}),
    .valid_o(m_wvalid_o), .ready_i(m_wready_i), .data_o({m_wlast_o, m_wdata_o})
  );

`ifndef SYNTHESIS
  assert property (@(posedge clk_i) disable iff (!rst_ni) sending_q |-> valid_i)
    else $error("bnn_write_dma: a beat without a word");
`endif
endmodule
