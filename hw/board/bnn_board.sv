// Top for PYNQ-Z1 and PYNQ-Z2: the processing system, its first fabric clock, and the core. No pins of the fabric.
//
// GP0 (AXI3, 12-bit IDs) reaches the registers at 0x43C0_0000; the core reads and writes memory through HP0 (AXI3, 64
// bits); its interrupt is IRQ_F2P[0]. The clock is FCLK0, whose rate pynq sets from the .hwh file. What of the PS7 is
// not named here (DDR, MIO, the other ports) is set up by the boards' boot loader and needs no wire of the fabric.
module bnn_board #(
  parameter int LANES        = bnn_pkg::DEFAULT_LANES,
  parameter int PE           = bnn_pkg::DEFAULT_PE,
  parameter int SIMD         = bnn_pkg::DEFAULT_SIMD,
  parameter int BUFFER_DEPTH = bnn_pkg::DEFAULT_BUFFER_DEPTH,
  parameter int RING_DEPTH   = bnn_pkg::DEFAULT_RING_DEPTH,
  parameter int ACC_WIDTH    = bnn_pkg::DEFAULT_ACC_WIDTH
);
  logic [3:0] fclk, fclk_reset_n;
  logic clk, rst_n, irq;
  BUFG u_clock (.I(fclk[0]), .O(clk));

  // The reset begins at once and ends with the clock.
  (* async_reg = "true" *) logic [3:0] reset_q;
  always_ff @(posedge clk or negedge fclk_reset_n[0]) begin
    if (!fclk_reset_n[0]) reset_q <= '0;
    else reset_q <= {reset_q[2:0], 1'b1};
  end
  always_ff @(posedge clk) rst_n <= reset_q[3];

  logic [11:0] g_awid, g_bid, g_arid, g_rid;
  logic [31:0] g_awaddr, g_araddr, g_wdata, g_rdata;
  logic [3:0] g_awlen, g_arlen, g_wstrb;
  logic [1:0] g_awsize, g_arsize, g_awburst, g_arburst, g_bresp, g_rresp;
  logic g_awvalid, g_awready, g_wvalid, g_wready, g_bvalid, g_bready, g_arvalid, g_arready, g_rlast, g_rvalid, g_rready;

  logic [11:0] s_awaddr, s_araddr;
  logic [31:0] s_wdata, s_rdata;
  logic [3:0] s_wstrb;
  logic [1:0] s_bresp, s_rresp;
  logic s_awvalid, s_awready, s_wvalid, s_wready, s_bvalid, s_bready, s_arvalid, s_arready, s_rvalid, s_rready;

  bnn_axi3_lite u_axi3_lite (
    .clk_i(clk), .rst_ni(rst_n), .s_awid_i(g_awid), .s_awaddr_i(g_awaddr), .s_awlen_i(g_awlen), .s_awsize_i(g_awsize),
    .s_awburst_i(g_awburst), .s_awvalid_i(g_awvalid), .s_awready_o(g_awready), .s_wdata_i(g_wdata),
    .s_wstrb_i(g_wstrb), .s_wvalid_i(g_wvalid), .s_wready_o(g_wready), .s_bid_o(g_bid), .s_bresp_o(g_bresp),
    .s_bvalid_o(g_bvalid), .s_bready_i(g_bready), .s_arid_i(g_arid), .s_araddr_i(g_araddr), .s_arlen_i(g_arlen),
    .s_arsize_i(g_arsize), .s_arburst_i(g_arburst), .s_arvalid_i(g_arvalid), .s_arready_o(g_arready), .s_rid_o(g_rid),
    .s_rdata_o(g_rdata), .s_rresp_o(g_rresp), .s_rlast_o(g_rlast), .s_rvalid_o(g_rvalid), .s_rready_i(g_rready),
    .m_awaddr_o(s_awaddr), .m_awvalid_o(s_awvalid), .m_awready_i(s_awready), .m_wdata_o(s_wdata), .m_wstrb_o(s_wstrb),
    .m_wvalid_o(s_wvalid), .m_wready_i(s_wready), .m_bresp_i(s_bresp), .m_bvalid_i(s_bvalid), .m_bready_o(s_bready),
    .m_araddr_o(s_araddr), .m_arvalid_o(s_arvalid), .m_arready_i(s_arready), .m_rdata_i(s_rdata), .m_rresp_i(s_rresp),
    .m_rvalid_i(s_rvalid), .m_rready_o(s_rready)
  );

  logic [31:0] m_araddr, m_awaddr;
  logic [3:0] m_arlen, m_awlen;
  logic [63:0] m_rdata, m_wdata;
  logic [7:0] m_wstrb;
  logic [1:0] m_rresp, m_bresp;
  logic m_arvalid, m_arready, m_rlast, m_rvalid, m_rready, m_awvalid, m_awready, m_wlast, m_wvalid, m_wready, m_bvalid,
        m_bready;

  bnn_core #(
    .LANES(LANES), .PE(PE), .SIMD(SIMD), .BUFFER_DEPTH(BUFFER_DEPTH), .RING_DEPTH(RING_DEPTH), .ACC_WIDTH(ACC_WIDTH)
  ) u_core (
    .clk_i(clk), .rst_ni(rst_n), .irq_o(irq), .s_awaddr_i(s_awaddr), .s_awvalid_i(s_awvalid), .s_awready_o(s_awready),
    .s_wdata_i(s_wdata), .s_wstrb_i(s_wstrb), .s_wvalid_i(s_wvalid), .s_wready_o(s_wready), .s_bresp_o(s_bresp),
    .s_bvalid_o(s_bvalid), .s_bready_i(s_bready), .s_araddr_i(s_araddr), .s_arvalid_i(s_arvalid),
    .s_arready_o(s_arready), .s_rdata_o(s_rdata), .s_rresp_o(s_rresp), .s_rvalid_o(s_rvalid), .s_rready_i(s_rready),
    .m_araddr_o(m_araddr), .m_arlen_o(m_arlen), .m_arvalid_o(m_arvalid), .m_arready_i(m_arready), .m_rdata_i(m_rdata),
    .m_rresp_i(m_rresp), .m_rlast_i(m_rlast), .m_rvalid_i(m_rvalid), .m_rready_o(m_rready), .m_awaddr_o(m_awaddr),
    .m_awlen_o(m_awlen), .m_awvalid_o(m_awvalid), .m_awready_i(m_awready), .m_wdata_o(m_wdata), .m_wstrb_o(m_wstrb),
    .m_wlast_o(m_wlast), .m_wvalid_o(m_wvalid), .m_wready_i(m_wready), .m_bresp_i(m_bresp), .m_bvalid_i(m_bvalid),
    .m_bready_o(m_bready)
  );

  // HP0 is AXI3: one ID, WID as AWID, 8-byte beats (SIZE 3), INCR, bufferable and modifiable.
  (* DONT_TOUCH = "true" *)
  PS7 u_ps7 (
    .FCLKCLK(fclk), .FCLKRESETN(fclk_reset_n), .IRQF2P({19'd0, irq}), .MAXIGP0ACLK(clk), .SAXIHP0ACLK(clk),

    .MAXIGP0AWID(g_awid), .MAXIGP0AWADDR(g_awaddr), .MAXIGP0AWLEN(g_awlen), .MAXIGP0AWSIZE(g_awsize),
    .MAXIGP0AWBURST(g_awburst), .MAXIGP0AWVALID(g_awvalid), .MAXIGP0AWREADY(g_awready), .MAXIGP0WDATA(g_wdata),
    .MAXIGP0WSTRB(g_wstrb), .MAXIGP0WVALID(g_wvalid), .MAXIGP0WREADY(g_wready), .MAXIGP0BID(g_bid),
    .MAXIGP0BRESP(g_bresp), .MAXIGP0BVALID(g_bvalid), .MAXIGP0BREADY(g_bready), .MAXIGP0ARID(g_arid),
    .MAXIGP0ARADDR(g_araddr), .MAXIGP0ARLEN(g_arlen), .MAXIGP0ARSIZE(g_arsize), .MAXIGP0ARBURST(g_arburst),
    .MAXIGP0ARVALID(g_arvalid), .MAXIGP0ARREADY(g_arready), .MAXIGP0RID(g_rid), .MAXIGP0RDATA(g_rdata),
    .MAXIGP0RRESP(g_rresp), .MAXIGP0RLAST(g_rlast), .MAXIGP0RVALID(g_rvalid), .MAXIGP0RREADY(g_rready),

    .SAXIHP0ARID(6'd0), .SAXIHP0ARADDR(m_araddr), .SAXIHP0ARLEN(m_arlen), .SAXIHP0ARSIZE(2'd3), .SAXIHP0ARBURST(2'd1),
    .SAXIHP0ARLOCK(2'd0), .SAXIHP0ARCACHE(4'b0011), .SAXIHP0ARPROT(3'd0), .SAXIHP0ARQOS(4'd0),
    .SAXIHP0ARVALID(m_arvalid), .SAXIHP0ARREADY(m_arready), .SAXIHP0RDATA(m_rdata), .SAXIHP0RRESP(m_rresp),
    .SAXIHP0RLAST(m_rlast), .SAXIHP0RVALID(m_rvalid), .SAXIHP0RREADY(m_rready), .SAXIHP0RDISSUECAP1EN(1'b0),

    .SAXIHP0AWID(6'd0), .SAXIHP0AWADDR(m_awaddr), .SAXIHP0AWLEN(m_awlen), .SAXIHP0AWSIZE(2'd3), .SAXIHP0AWBURST(2'd1),
    .SAXIHP0AWLOCK(2'd0), .SAXIHP0AWCACHE(4'b0011), .SAXIHP0AWPROT(3'd0), .SAXIHP0AWQOS(4'd0),
    .SAXIHP0AWVALID(m_awvalid), .SAXIHP0AWREADY(m_awready), .SAXIHP0WID(6'd0), .SAXIHP0WDATA(m_wdata),
    .SAXIHP0WSTRB(m_wstrb), .SAXIHP0WLAST(m_wlast), .SAXIHP0WVALID(m_wvalid), .SAXIHP0WREADY(m_wready),
    .SAXIHP0BRESP(m_bresp), .SAXIHP0BVALID(m_bvalid), .SAXIHP0BREADY(m_bready), .SAXIHP0WRISSUECAP1EN(1'b0)
  );
endmodule
