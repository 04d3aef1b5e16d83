// A small core with bnn_core's ports: copies words of memory, and breaks one rule of the buses if told to.
//
// Registers: 0x00 source, 0x04 destination, 0x08 64-bit words, 0x0c start (write; 1 copies, 2 only reads, 3 only
// writes) or status (read: busy, done, response of reads, of writes), 0x10 fault, 0x14 a register that nothing sets,
// 0x18 cycles from the last read address to the first beat, 0x1c cycles from start to done.
module bnn_core #(
  parameter int unsigned DEPTH = 256
) (
  input  logic clk_i, rst_ni,
  output logic irq_o,
  input  logic [11:0] s_awaddr_i,
  input  logic s_awvalid_i,
  output logic s_awready_o,
  input  logic [31:0] s_wdata_i,
  input  logic [3:0] s_wstrb_i,
  input  logic s_wvalid_i,
  output logic s_wready_o,
  output logic [1:0] s_bresp_o,
  output logic s_bvalid_o,
  input  logic s_bready_i,
  input  logic [11:0] s_araddr_i,
  input  logic s_arvalid_i,
  output logic s_arready_o,
  output logic [31:0] s_rdata_o,
  output logic [1:0] s_rresp_o,
  output logic s_rvalid_o,
  input  logic s_rready_i,
  output logic [31:0] m_araddr_o,
  output logic [3:0] m_arlen_o,
  output logic m_arvalid_o,
  input  logic m_arready_i,
  input  logic [63:0] m_rdata_i,
  input  logic [1:0] m_rresp_i,
  input  logic m_rlast_i, m_rvalid_i,
  output logic m_rready_o,
  output logic [31:0] m_awaddr_o,
  output logic [3:0] m_awlen_o,
  output logic m_awvalid_o,
  input  logic m_awready_i,
  output logic [63:0] m_wdata_o,
  output logic [7:0] m_wstrb_o,
  output logic m_wlast_o, m_wvalid_o,
  input  logic m_wready_i,
  input  logic [1:0] m_bresp_i,
  input  logic m_bvalid_i,
  output logic m_bready_o
);
  typedef enum logic [4:0] {
    None, ReadAddressChanges, ReadValidFalls, WriteAddressChanges, WriteDataChange, CrossesBorder, LastEarly, LastMissing,
    DataFirst, Misaligned, ReadNotAnswered, WriteNotAnswered, ResponseUnasked, DataUnasked, ResponseFalls,
    ErrorResponse, ValidInReset, AssertionFails, Fatal, Finish, Prints, DoneTooEarly
  } fault_e;

  logic [31:0] source_q, target_q, words_q, never_set_q, latency_q, cycles_q;
  fault_e fault_q = None;  // not reset: one of the faults is what the core does in reset
  logic [7:0] noise_q;     // changes every cycle

  // AXI4-Lite: one transfer at a time; address and data of a write are taken together.
  logic write_taken, start, reads_only_q;
  assign write_taken = s_awready_o && s_awvalid_i;
  assign s_awready_o = s_awvalid_i && s_wvalid_i && !s_bvalid_o && fault_q != WriteNotAnswered;
  assign s_wready_o = s_awready_o;
  assign s_arready_o = !s_rvalid_o && fault_q != ReadNotAnswered;
  assign start = write_taken && s_awaddr_i == 12'h00c;
  assign s_bresp_o = fault_q == ErrorResponse ? 2'd2 : 2'd0;
  assign s_rresp_o = fault_q == ErrorResponse ? 2'd3 : 2'd0;
  always_ff @(posedge clk_i) begin
    noise_q <= noise_q + 1;
    if (s_bready_i || fault_q == ResponseFalls) s_bvalid_o <= 0;
    if (s_rready_i) s_rvalid_o <= 0;
    if (write_taken) s_bvalid_o <= 1;
    if (s_arvalid_i && s_arready_o) s_rvalid_o <= 1;
    if (fault_q == ResponseUnasked) s_bvalid_o <= 1;
    if (fault_q == DataUnasked) s_rvalid_o <= 1;
    if (!rst_ni) {s_bvalid_o, s_rvalid_o} <= 0;
    if (write_taken)
      case (s_awaddr_i)
        12'h000: source_q <= s_wdata_i;
        12'h004: target_q <= s_wdata_i;
        12'h008: words_q <= s_wdata_i;
        12'h010: fault_q <= fault_e'(s_wdata_i[4:0]);
        default: ;
      endcase
    if (s_arvalid_i && s_arready_o)
      case (s_araddr_i)
        12'h000: s_rdata_o <= source_q;
        12'h004: s_rdata_o <= target_q;
        12'h008: s_rdata_o <= words_q;
        12'h00c: s_rdata_o <= {26'b0, write_response_q, read_response_q, done_q, busy_q};
        12'h010: s_rdata_o <= {27'b0, fault_q};
        12'h014: s_rdata_o <= never_set_q;
        12'h018: s_rdata_o <= latency_q;
        default: s_rdata_o <= cycles_q;
      endcase
  end

  // The length of the next burst, in words: up to 16, up to the next 4 KB border, up to what is left.
  function automatic logic [4:0] burst(input logic [31:0] address, input logic [31:0] left);
    logic [31:0] room;
    room = 512 - {23'b0, address[11:3]};
    if (room > 16 || fault_q == CrossesBorder) room = 16;
    return left < room ? left[4:0] : room[4:0];
  endfunction

  // Reads: as many bursts ahead as the buffer has room for.
  logic [31:0] ask_at_q, ask_left_q, store_at_q, store_left_q, free_q;
  logic [4:0] ask_length, ask_length_q;
  logic busy_q, done_q;
  logic [1:0] read_response_q, write_response_q;
  logic ask_taken, beat_in, beat_out, word_freed;
  assign word_freed = reads_only_q ? beat_in : beat_out;
  assign ask_taken = m_arvalid_o && m_arready_i;
  assign beat_in = m_rvalid_i && m_rready_o;
  assign m_rready_o = 1;
  assign ask_length = burst(ask_at_q, ask_left_q);
  assign m_arlen_o = 4'(ask_length_q - 1);
  logic [31:0] read_address_q;
  assign m_araddr_o = read_address_q ^ {28'b0, fault_q == ReadAddressChanges && noise_q[0], fault_q == Misaligned, 2'b0};
  always_ff @(posedge clk_i) begin
    if (ask_taken || fault_q == ReadValidFalls) m_arvalid_o <= 0;
    if ((!m_arvalid_o || m_arready_i) && ask_left_q != 0 && free_q >= 32) begin
      m_arvalid_o <= 1;
      read_address_q <= ask_at_q;
      ask_length_q <= ask_length;
      ask_at_q <= ask_at_q + {24'b0, ask_length, 3'b0};
      ask_left_q <= ask_left_q - {27'b0, ask_length};
      free_q <= free_q - {27'b0, ask_length} + {31'b0, word_freed};
    end else free_q <= free_q + {31'b0, word_freed};
    if (start) begin
      ask_at_q <= source_q;
      ask_left_q <= s_wdata_i == 3 ? 0 : words_q;
      reads_only_q <= s_wdata_i == 2;
      free_q <= DEPTH;
    end
    if (!rst_ni) begin
      m_arvalid_o <= 0;
      ask_left_q <= 0;
    end
  end

  // Writes: a burst when all its words are there.
  logic [63:0] buffer[DEPTH];
  logic [$clog2(DEPTH)-1:0] in_q, out_q;
  logic [31:0] words_in_q, responses_q;
  logic [4:0] write_length, write_length_q, left_q;
  logic writing_q;
  assign write_length = burst(store_at_q, store_left_q);
  assign beat_out = m_wvalid_o && m_wready_i;
  assign m_awlen_o = 4'(write_length_q - 1);
  logic [31:0] write_address_q;
  assign m_awaddr_o = write_address_q ^ {28'b0, fault_q == WriteAddressChanges && noise_q[0], 3'b0};
  logic awvalid_q;
  assign m_awvalid_o = (awvalid_q && !(fault_q == DataFirst && !(left_q == 0))) || (!rst_ni && fault_q == ValidInReset);
  assign m_wvalid_o = writing_q && left_q != 0;
  assign m_wdata_o = buffer[out_q] ^ {63'b0, fault_q == WriteDataChange && noise_q[0]};
  assign m_wstrb_o = 8'hff;
  assign m_wlast_o = fault_q == LastMissing ? 0 : left_q == (fault_q == LastEarly ? 2 : 1);
  assign m_bready_o = 1;
  logic next_burst;
  assign next_burst = !awvalid_q && left_q == 0 && store_left_q != 0 && words_in_q >= {27'b0, write_length};
  always_ff @(posedge clk_i) begin
    if (beat_in) begin
      buffer[in_q] <= m_rdata_i;
      in_q <= in_q + 1;
    end
    if (beat_out) begin
      out_q <= out_q + 1;
      left_q <= left_q - 1;
    end
    if (m_awvalid_o && m_awready_i) awvalid_q <= 0;
    words_in_q <= words_in_q + {31'b0, beat_in} - (next_burst ? {27'b0, write_length} : 0);
    if (next_burst) begin
      awvalid_q <= 1;
      writing_q <= 1;
      write_address_q <= store_at_q;
      write_length_q <= write_length;
      left_q <= write_length;
      store_at_q <= store_at_q + {24'b0, write_length, 3'b0};
      store_left_q <= store_left_q - {27'b0, write_length};
    end
    responses_q <= responses_q + {31'b0, next_burst} - {31'b0, m_bvalid_i};
    if (start) begin
      {in_q, out_q, responses_q} <= 0;
      words_in_q <= s_wdata_i == 3 ? words_q : 0;
      store_at_q <= target_q;
      store_left_q <= s_wdata_i == 2 ? 0 : words_q;
    end
    if (!rst_ni) begin
      {awvalid_q, writing_q, left_q, store_left_q, words_in_q, responses_q} <= 0;
    end
  end

  // State and measures.
  logic waits_q;
  logic [31:0] beats_left_q;
  assign irq_o = done_q;
  always_ff @(posedge clk_i) begin
    if (beat_in) read_response_q <= read_response_q | m_rresp_i;
    if (m_bvalid_i) write_response_q <= write_response_q | m_bresp_i;
    if (busy_q) cycles_q <= cycles_q + 1;
    if (ask_taken) {latency_q, waits_q} <= {32'd0, 1'b1};
    else if (waits_q && !m_rvalid_i) latency_q <= latency_q + 1;
    if (m_rvalid_i) waits_q <= 0;
    beats_left_q <= start ? (s_wdata_i == 3 ? 0 : words_q) : beats_left_q - {31'b0, beat_in};
    if (busy_q && !start && beats_left_q == 0 && store_left_q == 0 && left_q == 0 && !awvalid_q && !next_burst
        && (responses_q == 0 || fault_q == DoneTooEarly)) begin
      busy_q <= 0;
      done_q <= 1;
    end
    if (start) {busy_q, done_q, read_response_q, write_response_q, cycles_q} <= {1'b1, 1'b0, 4'b0, 32'b0};
    if (!rst_ni) {busy_q, done_q, waits_q, read_response_q, write_response_q} <= 0;
  end

  always_ff @(posedge clk_i) begin
    if (start && fault_q == Fatal) $fatal(1, "the core gives up");
    if (start && fault_q == Finish) $finish;
    if (start && fault_q == Prints) $display("start of %0d words", words_q);
  end
  a_no_failing: assert property (@(posedge clk_i) disable iff (!rst_ni) start |-> fault_q != AssertionFails)
    else $error("asked to fail with %0d words", words_q);

  logic unused;
  assign unused = ^{s_wstrb_i, m_rlast_i, noise_q[7:1]};
endmodule
