// From the processor's AXI3 port GP0 to AXI4-Lite: bursts become single transfers, IDs come back with the answers.
//
// One write and one read at a time; FIXED, INCR and WRAP bursts of beats of 1, 2 or 4 bytes. The slave is the 4 KB at
// BASE. The rest of BASE's 64 KB, which the .hwh promises, reads 0 and ignores writes; whatever lies outside is
// answered DECERR, so nothing that the processor asks for hangs it. A burst's answer is the worst of its beats'.
module bnn_axi3_lite #(
  parameter int BASE = 32'h43C0_0000
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  // AXI3
  input  logic [11:0] s_awid_i,
  input  logic [31:0] s_awaddr_i,
  input  logic [3:0]  s_awlen_i,
  input  logic [1:0]  s_awsize_i,
  input  logic [1:0]  s_awburst_i,
  input  logic        s_awvalid_i,
  output logic        s_awready_o,
  input  logic [31:0] s_wdata_i,
  input  logic [3:0]  s_wstrb_i,
  input  logic        s_wvalid_i,
  output logic        s_wready_o,
  output logic [11:0] s_bid_o,
  output logic [1:0]  s_bresp_o,
  output logic        s_bvalid_o,
  input  logic        s_bready_i,
  input  logic [11:0] s_arid_i,
  input  logic [31:0] s_araddr_i,
  input  logic [3:0]  s_arlen_i,
  input  logic [1:0]  s_arsize_i,
  input  logic [1:0]  s_arburst_i,
  input  logic        s_arvalid_i,
  output logic        s_arready_o,
  output logic [11:0] s_rid_o,
  output logic [31:0] s_rdata_o,
  output logic [1:0]  s_rresp_o,
  output logic        s_rlast_o,
  output logic        s_rvalid_o,
  input  logic        s_rready_i,
  // AXI4-Lite
  output logic [11:0] m_awaddr_o,
  output logic        m_awvalid_o,
  input  logic        m_awready_i,
  output logic [31:0] m_wdata_o,
  output logic [3:0]  m_wstrb_o,
  output logic        m_wvalid_o,
  input  logic        m_wready_i,
  input  logic [1:0]  m_bresp_i,
  input  logic        m_bvalid_i,
  output logic        m_bready_o,
  output logic [11:0] m_araddr_o,
  output logic        m_arvalid_o,
  input  logic        m_arready_i,
  input  logic [31:0] m_rdata_i,
  input  logic [1:0]  m_rresp_i,
  input  logic        m_rvalid_i,
  output logic        m_rready_o
);
  localparam logic [1:0] OKAY = 2'd0, DECERR = 2'd3, FIXED = 2'd0, WRAP = 2'd2;

  // Address of the beat behind the one at `addr`. A burst never leaves its 4 KB.
  function automatic logic [11:0] next_addr(logic [11:0] addr, logic [3:0] len, logic [1:0] size, logic [1:0] burst);
    logic [11:0] bytes, kept;
    bytes = 12'd1 << size;
    case (burst)
      FIXED:   kept = '1;
      WRAP:    kept = ~(((12'(len) + 12'd1) << size) - 12'd1);
      default: kept = '0;
    endcase
    next_addr = (addr & kept) | (((addr & ~(bytes - 12'd1)) + bytes) & ~kept);
  endfunction

  function automatic logic [1:0] answer(logic [31:0] addr);
    answer = addr[31:16] == BASE[31:16] ? OKAY : DECERR;
  endfunction

  // Writes: an address, then for each beat its data, a transfer and the slave's answer.
  typedef enum logic [1:0] {WRITE_IDLE, WRITE_DATA, WRITE_SEND, WRITE_ANSWER} write_e;
  write_e write_q;
  logic [11:0] write_addr_q;
  logic [3:0] write_len_q, write_left_q;
  logic [1:0] write_size_q, write_burst_q;
  logic write_hit_q, write_done, addr_sent, data_sent;
  assign s_awready_o = rst_ni && write_q == WRITE_IDLE;  // an address taken in reset would be lost
  assign s_wready_o  = rst_ni && write_q == WRITE_DATA;
  assign s_bvalid_o  = write_q == WRITE_ANSWER;
  assign m_awaddr_o  = {write_addr_q[11:2], 2'b00};
  assign m_bready_o  = write_q == WRITE_SEND;
  assign addr_sent   = !m_awvalid_o || m_awready_i;
  assign data_sent   = !m_wvalid_o || m_wready_i;
  assign write_done  = write_hit_q ? write_q == WRITE_SEND && m_bvalid_i : write_q == WRITE_DATA && s_wvalid_i;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q     <= WRITE_IDLE;
      m_awvalid_o <= 1'b0;
      m_wvalid_o  <= 1'b0;
    end else begin
      if (addr_sent) m_awvalid_o <= 1'b0;
      if (data_sent) m_wvalid_o <= 1'b0;
      case (write_q)
        WRITE_IDLE: if (s_awvalid_i) write_q <= WRITE_DATA;
        WRITE_DATA: if (s_wvalid_i && write_hit_q) begin
          write_q     <= WRITE_SEND;
          m_awvalid_o <= 1'b1;
          m_wvalid_o  <= 1'b1;
        end
        WRITE_SEND: ;
        default: if (s_bready_i) write_q <= WRITE_IDLE;
      endcase
      if (write_done) write_q <= write_left_q == '0 ? WRITE_ANSWER : WRITE_DATA;
    end
    if (write_q == WRITE_IDLE) begin
      s_bid_o       <= s_awid_i;
      s_bresp_o     <= answer(s_awaddr_i);
      write_hit_q   <= s_awaddr_i[31:12] == BASE[31:12];
      write_addr_q  <= s_awaddr_i[11:0];
      write_len_q   <= s_awlen_i;
      write_left_q  <= s_awlen_i;
      write_size_q  <= s_awsize_i;
      write_burst_q <= s_awburst_i;
    end
    if (write_q == WRITE_DATA) begin
      m_wdata_o <= s_wdata_i;
      m_wstrb_o <= s_wstrb_i;
    end
    if (write_done) begin
      if (write_hit_q) s_bresp_o <= s_bresp_o | m_bresp_i;
      write_left_q <= write_left_q - 4'd1;
      write_addr_q <= next_addr(write_addr_q, write_len_q, write_size_q, write_burst_q);
    end
  end

  // Reads: an address, then for each beat a transfer whose data are handed on.
  typedef enum logic [1:0] {READ_IDLE, READ_SEND, READ_WAIT, READ_ANSWER} read_e;
  read_e read_q, read_beat;
  logic [11:0] read_addr_q;
  logic [3:0] read_len_q, read_left_q;
  logic [1:0] read_size_q, read_burst_q;
  logic read_hit, read_hit_q;
  assign s_arready_o = rst_ni && read_q == READ_IDLE;
  assign s_rvalid_o  = read_q == READ_ANSWER;
  assign s_rlast_o   = read_left_q == '0;
  assign m_araddr_o  = {read_addr_q[11:2], 2'b00};
  assign m_arvalid_o = read_q == READ_SEND;
  assign m_rready_o  = read_q == READ_WAIT;
  assign read_hit    = read_q == READ_IDLE ? s_araddr_i[31:12] == BASE[31:12] : read_hit_q;
  assign read_beat   = read_hit ? READ_SEND : READ_ANSWER;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      read_q <= READ_IDLE;
    end else begin
      case (read_q)
        READ_IDLE: if (s_arvalid_i) read_q <= read_beat;
        READ_SEND: if (m_arready_i) read_q <= READ_WAIT;
        READ_WAIT: if (m_rvalid_i) read_q <= READ_ANSWER;
        default:   if (s_rready_i) read_q <= s_rlast_o ? READ_IDLE : read_beat;
      endcase
    end
    if (read_q == READ_IDLE) begin
      s_rid_o      <= s_arid_i;
      s_rdata_o    <= '0;
      s_rresp_o    <= answer(s_araddr_i);
      read_hit_q   <= read_hit;
      read_addr_q  <= s_araddr_i[11:0];
      read_len_q   <= s_arlen_i;
      read_left_q  <= s_arlen_i;
      read_size_q  <= s_arsize_i;
      read_burst_q <= s_arburst_i;
    end
    if (m_rready_o && m_rvalid_i) begin
      s_rdata_o <= m_rdata_i;
      s_rresp_o <= m_rresp_i;
    end
    if (s_rvalid_o && s_rready_i) begin
      read_left_q <= read_left_q - 4'd1;
      read_addr_q <= next_addr(read_addr_q, read_len_q, read_size_q, read_burst_q);
    end
  end
endmodule
