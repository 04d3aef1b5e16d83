// A Zynq-7000's processing system as far as bnn_board meets it, for simulation; bnn_board_bench drives it by name.
//
// Processor: a register access of the bench becomes a GP0 transaction with a random ID and random pauses, alone or as
// one beat of a burst whose other beats change nothing. Memory: HP0 leads to the bench's ports; what AXI3 has beyond
// those is checked here.
module PS7 (
  output logic [3:0]  FCLKCLK, FCLKRESETN,
  input  logic [19:0] IRQF2P,
  input  logic        MAXIGP0ACLK, SAXIHP0ACLK,
  output logic [11:0] MAXIGP0AWID, MAXIGP0ARID,
  output logic [31:0] MAXIGP0AWADDR, MAXIGP0ARADDR, MAXIGP0WDATA,
  output logic [3:0]  MAXIGP0AWLEN, MAXIGP0ARLEN, MAXIGP0WSTRB,
  output logic [1:0]  MAXIGP0AWSIZE, MAXIGP0ARSIZE, MAXIGP0AWBURST, MAXIGP0ARBURST,
  output logic        MAXIGP0AWVALID, MAXIGP0WVALID, MAXIGP0BREADY, MAXIGP0ARVALID, MAXIGP0RREADY,
  input  logic        MAXIGP0AWREADY, MAXIGP0WREADY, MAXIGP0BVALID, MAXIGP0ARREADY, MAXIGP0RVALID, MAXIGP0RLAST,
  input  logic [11:0] MAXIGP0BID, MAXIGP0RID,
  input  logic [1:0]  MAXIGP0BRESP, MAXIGP0RRESP,
  input  logic [31:0] MAXIGP0RDATA,
  input  logic [5:0]  SAXIHP0ARID, SAXIHP0AWID, SAXIHP0WID,
  input  logic [31:0] SAXIHP0ARADDR, SAXIHP0AWADDR,
  input  logic [3:0]  SAXIHP0ARLEN, SAXIHP0AWLEN, SAXIHP0ARCACHE, SAXIHP0AWCACHE, SAXIHP0ARQOS, SAXIHP0AWQOS,
  input  logic [1:0]  SAXIHP0ARSIZE, SAXIHP0AWSIZE, SAXIHP0ARBURST, SAXIHP0AWBURST, SAXIHP0ARLOCK, SAXIHP0AWLOCK,
  input  logic [2:0]  SAXIHP0ARPROT, SAXIHP0AWPROT,
  input  logic        SAXIHP0ARVALID, SAXIHP0RREADY, SAXIHP0AWVALID, SAXIHP0WLAST, SAXIHP0WVALID, SAXIHP0BREADY,
  input  logic [63:0] SAXIHP0WDATA,
  input  logic [7:0]  SAXIHP0WSTRB,
  output logic        SAXIHP0ARREADY, SAXIHP0RLAST, SAXIHP0RVALID, SAXIHP0AWREADY, SAXIHP0WREADY, SAXIHP0BVALID,
  output logic [63:0] SAXIHP0RDATA,
  output logic [1:0]  SAXIHP0RRESP, SAXIHP0BRESP,
  input  logic        SAXIHP0RDISSUECAP1EN, SAXIHP0WRISSUECAP1EN
);
  // From the bench
  logic clk, rst_n, irq;
  logic [11:0] awaddr, araddr;
  logic [31:0] wdata, rdata;
  logic [3:0] wstrb;
  logic [1:0] bresp, rresp;
  logic awvalid, awready, wvalid, wready, bvalid, bready, arvalid, arready, rvalid, rready;

  assign FCLKCLK    = {3'd0, clk};
  assign FCLKRESETN = {3'd0, rst_n};
  assign irq        = IRQF2P[0];

  function automatic logic chance(int of);
    return $urandom_range(of - 1) == 0;
  endfunction

  // Which beat of a burst is the one that counts: not before the start nor behind the end of its 4 KB.
  function automatic logic [3:0] place(logic [11:0] addr);
    int limit = int'(addr[11:2]);
    return chance(2) ? 4'd0 : 4'($urandom_range(limit < 7 ? limit : 7));
  endfunction
  function automatic logic [3:0] behind(logic [11:0] addr);
    int limit = 1023 - int'(addr[11:2]);
    return chance(2) ? 4'd0 : 4'($urandom_range(limit < 8 ? limit : 8));
  endfunction

  // Writes. Data may come before their address.
  logic write_busy, write_addr_left, write_data_left;
  logic [11:0] write_id;
  logic [31:0] write_data;
  logic [3:0] write_strb, write_place, write_behind;
  logic [4:0] write_beat;
  assign awready        = !write_busy && awvalid && wvalid && rst_n;
  assign wready         = awready;
  assign MAXIGP0AWID    = write_id;
  assign MAXIGP0AWLEN   = write_place + write_behind;
  assign MAXIGP0AWSIZE  = 2'd2;
  assign MAXIGP0AWBURST = 2'd1;
  assign bresp          = MAXIGP0BRESP;
  always_ff @(posedge MAXIGP0ACLK) begin
    if (!rst_n) begin
      {write_busy, MAXIGP0AWVALID, MAXIGP0WVALID, MAXIGP0BREADY, bvalid} <= '0;
    end else begin
      if (awready) begin
        write_busy      <= 1'b1;
        write_addr_left <= 1'b1;
        write_data_left <= 1'b1;
        write_beat      <= '0;
        write_id        <= 12'($urandom);
        write_data      <= wdata;
        write_strb      <= wstrb;
        write_place     <= place(awaddr);
        write_behind    <= behind(awaddr);
        MAXIGP0AWADDR   <= {20'h43C00, awaddr};
      end
      // The burst's address
      if (write_busy && write_addr_left && !MAXIGP0AWVALID && chance(2)) begin
        MAXIGP0AWVALID <= 1'b1;
        MAXIGP0AWADDR  <= MAXIGP0AWADDR - {26'd0, write_place, 2'd0};
      end
      if (MAXIGP0AWVALID && MAXIGP0AWREADY) begin
        MAXIGP0AWVALID  <= 1'b0;
        write_addr_left <= 1'b0;
      end
      // Its data: nothing but one beat has strobes
      if (write_busy && write_data_left && (!MAXIGP0WVALID || MAXIGP0WREADY)) begin
        MAXIGP0WVALID <= 1'b0;
        if (MAXIGP0WVALID && write_beat > 5'(MAXIGP0AWLEN)) begin
          write_data_left <= 1'b0;
        end else if (chance(2)) begin
          MAXIGP0WVALID <= 1'b1;
          MAXIGP0WDATA  <= write_beat == 5'(write_place) ? write_data : $urandom;
          MAXIGP0WSTRB  <= write_beat == 5'(write_place) ? write_strb : 4'd0;
          write_beat    <= write_beat + 5'd1;
        end
      end
      // Its answer
      MAXIGP0BREADY <= write_busy && !bvalid && !(MAXIGP0BVALID && MAXIGP0BREADY) && chance(2);
      if (MAXIGP0BVALID && MAXIGP0BREADY) bvalid <= 1'b1;
      if (bvalid && bready) begin
        bvalid     <= 1'b0;
        write_busy <= 1'b0;
      end
    end
  end

  // Reads
  logic read_busy, read_addr_left;
  logic [11:0] read_id;
  logic [3:0] read_beat, read_place, read_behind;
  assign arready        = !read_busy && arvalid && rst_n;
  assign MAXIGP0ARID    = read_id;
  assign MAXIGP0ARLEN   = read_place + read_behind;
  assign MAXIGP0ARSIZE  = 2'd2;
  assign MAXIGP0ARBURST = 2'd1;
  always_ff @(posedge MAXIGP0ACLK) begin
    if (!rst_n) begin
      {read_busy, MAXIGP0ARVALID, MAXIGP0RREADY, rvalid} <= '0;
    end else begin
      if (arready) begin
        read_busy      <= 1'b1;
        read_addr_left <= 1'b1;
        read_beat      <= '0;
        read_id        <= 12'($urandom);
        read_place     <= place(araddr);
        read_behind    <= behind(araddr);
        MAXIGP0ARADDR  <= {20'h43C00, araddr};
      end
      if (read_busy && read_addr_left && !MAXIGP0ARVALID && chance(2)) begin
        MAXIGP0ARVALID <= 1'b1;
        MAXIGP0ARADDR  <= MAXIGP0ARADDR - {26'd0, read_place, 2'd0};
      end
      if (MAXIGP0ARVALID && MAXIGP0ARREADY) begin
        MAXIGP0ARVALID <= 1'b0;
        read_addr_left <= 1'b0;
      end
      MAXIGP0RREADY <= read_busy && chance(2);
      if (MAXIGP0RVALID && MAXIGP0RREADY) begin
        if (read_beat == read_place) {rdata, rresp} <= {MAXIGP0RDATA, MAXIGP0RRESP};
        if (read_beat == MAXIGP0ARLEN) rvalid <= 1'b1;
        read_beat <= read_beat + 4'd1;
      end
      if (rvalid && rready) begin
        rvalid    <= 1'b0;
        read_busy <= 1'b0;
      end
    end
  end

  always_ff @(posedge MAXIGP0ACLK) if (rst_n) begin
    assert (!MAXIGP0BVALID || (write_busy && !bvalid && !write_addr_left && !write_data_left))
      else $error("GP0: a write is answered before it was taken whole");
    assert (!MAXIGP0BVALID || MAXIGP0BID == write_id) else $error("GP0: BID is not AWID");
    assert (!MAXIGP0RVALID || (read_busy && !rvalid && !read_addr_left)) else $error("GP0: data that nobody asked for");
    assert (!MAXIGP0RVALID || MAXIGP0RID == read_id) else $error("GP0: RID is not ARID");
    assert (!MAXIGP0RVALID || MAXIGP0RLAST == (read_beat == MAXIGP0ARLEN)) else $error("GP0: RLAST in the wrong beat");
  end

  // HP0. Its length has four bits; the bench's memory checks borders of 4 KB, order and stability.
  always_ff @(posedge SAXIHP0ACLK) if (rst_n) begin
    assert (!SAXIHP0ARVALID || (SAXIHP0ARSIZE == 2'd3 && SAXIHP0ARBURST == 2'd1 && SAXIHP0ARLOCK == 2'd0))
      else $error("HP0: a read that is no INCR burst of 8 bytes a beat");
    assert (!SAXIHP0AWVALID || (SAXIHP0AWSIZE == 2'd3 && SAXIHP0AWBURST == 2'd1 && SAXIHP0AWLOCK == 2'd0))
      else $error("HP0: a write that is no INCR burst of 8 bytes a beat");
    assert (!SAXIHP0WVALID || SAXIHP0WID == SAXIHP0AWID) else $error("HP0: WID is not AWID");
  end
endmodule
