// bnn_board with the ports of bnn_core, so that what drives the core drives the board: registers through the processing
// system's GP0, memory behind its HP0, clock and reset as FCLK0. A netlist (BNN_NETLIST) has its sizes in itself.
module bnn_board_bench #(
  parameter int LANES        = bnn_pkg::DEFAULT_LANES,
  parameter int PE           = bnn_pkg::DEFAULT_PE,
  parameter int SIMD         = bnn_pkg::DEFAULT_SIMD,
  parameter int BUFFER_DEPTH = bnn_pkg::DEFAULT_BUFFER_DEPTH,
  parameter int RING_DEPTH   = bnn_pkg::DEFAULT_RING_DEPTH,
  parameter int ACC_WIDTH    = bnn_pkg::DEFAULT_ACC_WIDTH
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  output logic        irq_o,
  // Registers
  input  logic [11:0] s_awaddr_i,
  input  logic        s_awvalid_i,
  output logic        s_awready_o,
  input  logic [31:0] s_wdata_i,
  input  logic [3:0]  s_wstrb_i,
  input  logic        s_wvalid_i,
  output logic        s_wready_o,
  output logic [1:0]  s_bresp_o,
  output logic        s_bvalid_o,
  input  logic        s_bready_i,
  input  logic [11:0] s_araddr_i,
  input  logic        s_arvalid_i,
  output logic        s_arready_o,
  output logic [31:0] s_rdata_o,
  output logic [1:0]  s_rresp_o,
  output logic        s_rvalid_o,
  input  logic        s_rready_i,
  // Memory
  output logic [31:0] m_araddr_o,
  output logic [3:0]  m_arlen_o,
  output logic        m_arvalid_o,
  input  logic        m_arready_i,
  input  logic [63:0] m_rdata_i,
  input  logic [1:0]  m_rresp_i,
  input  logic        m_rlast_i,
  input  logic        m_rvalid_i,
  output logic        m_rready_o,
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
`ifdef BNN_NETLIST
  bnn_board u_board ();
`else
  bnn_board #(
    .LANES(LANES), .PE(PE), .SIMD(SIMD), .BUFFER_DEPTH(BUFFER_DEPTH), .RING_DEPTH(RING_DEPTH), .ACC_WIDTH(ACC_WIDTH)
  ) u_board ();
`endif

  assign u_board.u_ps7.clk   = clk_i;
  assign u_board.u_ps7.rst_n = rst_ni;
  assign irq_o               = u_board.u_ps7.irq;

  assign u_board.u_ps7.awaddr  = s_awaddr_i;
  assign u_board.u_ps7.awvalid = s_awvalid_i;
  assign u_board.u_ps7.wdata   = s_wdata_i;
  assign u_board.u_ps7.wstrb   = s_wstrb_i;
  assign u_board.u_ps7.wvalid  = s_wvalid_i;
  assign u_board.u_ps7.bready  = s_bready_i;
  assign u_board.u_ps7.araddr  = s_araddr_i;
  assign u_board.u_ps7.arvalid = s_arvalid_i;
  assign u_board.u_ps7.rready  = s_rready_i;
  assign s_awready_o = u_board.u_ps7.awready;
  assign s_wready_o  = u_board.u_ps7.wready;
  assign s_bresp_o   = u_board.u_ps7.bresp;
  assign s_bvalid_o  = u_board.u_ps7.bvalid;
  assign s_arready_o = u_board.u_ps7.arready;
  assign s_rdata_o   = u_board.u_ps7.rdata;
  assign s_rresp_o   = u_board.u_ps7.rresp;
  assign s_rvalid_o  = u_board.u_ps7.rvalid;

  assign u_board.u_ps7.SAXIHP0ARREADY = m_arready_i;
  assign u_board.u_ps7.SAXIHP0RDATA   = m_rdata_i;
  assign u_board.u_ps7.SAXIHP0RRESP   = m_rresp_i;
  assign u_board.u_ps7.SAXIHP0RLAST   = m_rlast_i;
  assign u_board.u_ps7.SAXIHP0RVALID  = m_rvalid_i;
  assign u_board.u_ps7.SAXIHP0AWREADY = m_awready_i;
  assign u_board.u_ps7.SAXIHP0WREADY  = m_wready_i;
  assign u_board.u_ps7.SAXIHP0BRESP   = m_bresp_i;
  assign u_board.u_ps7.SAXIHP0BVALID  = m_bvalid_i;
  // The board's reset follows FCLKRESETN some cycles later; the memory does not listen meanwhile.
  assign m_araddr_o  = u_board.u_ps7.SAXIHP0ARADDR;
  assign m_arlen_o   = u_board.u_ps7.SAXIHP0ARLEN;
  assign m_arvalid_o = u_board.u_ps7.SAXIHP0ARVALID && rst_ni;
  assign m_rready_o  = u_board.u_ps7.SAXIHP0RREADY;
  assign m_awaddr_o  = u_board.u_ps7.SAXIHP0AWADDR;
  assign m_awlen_o   = u_board.u_ps7.SAXIHP0AWLEN;
  assign m_awvalid_o = u_board.u_ps7.SAXIHP0AWVALID && rst_ni;
  assign m_wdata_o   = u_board.u_ps7.SAXIHP0WDATA;
  assign m_wstrb_o   = u_board.u_ps7.SAXIHP0WSTRB;
  assign m_wlast_o   = u_board.u_ps7.SAXIHP0WLAST;
  assign m_wvalid_o  = u_board.u_ps7.SAXIHP0WVALID && rst_ni;
  assign m_bready_o  = u_board.u_ps7.SAXIHP0BREADY;
endmodule
