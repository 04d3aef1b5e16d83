// AXI reads for two streams, parameters (0) and images (1), through one port.
//
// Bursts have up to 16 beats and stay within 4 KB; up to OUTSTANDING of them are under way, and data come back in the
// order of their addresses. A burst is asked for only when the taker has promised room for it (room_i: words of
// parameters that can still be taken; images are taken at once), so no stream can block the other on the data channel.
// Images go first: the array may be waiting for them, while the ring mostly holds parameters for some time.
// stop_i ends it: no new bursts, data under way are dropped, idle_o says when all have come.
module bnn_read_dma #(
  parameter int OUTSTANDING = 8
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        stop_i,
  output logic        idle_o,
  output logic        error_o,
  // Parameters: the same words over and over, until stopped.
  input  logic        program_start_i,
  input  logic [31:0] program_addr_i,
  input  logic [31:0] program_words_i,
  input  logic [7:0]  room_i,
  output logic        program_valid_o,
  output logic [63:0] program_data_o,
  // Images: a stretch of words for each start.
  input  logic        image_start_i,
  input  logic [31:0] image_addr_i,
  input  logic [31:0] image_words_i,
  output logic        image_valid_o,
  input  logic        image_ready_i,
  output logic [63:0] image_data_o,
  // AXI read channels
  output logic [31:0] m_araddr_o,
  output logic [3:0]  m_arlen_o,
  output logic        m_arvalid_o,
  input  logic        m_arready_i,
  input  logic [63:0] m_rdata_i,
  input  logic [1:0]  m_rresp_i,
  input  logic        m_rlast_i,
  input  logic        m_rvalid_i,
  output logic        m_rready_o
);
  // Each stream's next word and how many are left.
  logic [31:0] program_addr_q, program_left_q, image_addr_q, image_left_q;
  logic program_on_q;

  // The order of bursts under way: which stream, oldest first.
  logic tag_ready, tag_valid, tag, pop;
  logic [$clog2(OUTSTANDING+1)-1:0] tags;

  // Beats of parameters under way, which room_i does not know of yet.
  logic [7:0] pending_q;

  function automatic logic [4:0] burst(input logic [31:0] addr, input logic [31:0] left);
    // Up to a multiple of 16 words, so that later bursts are whole and none crosses 4 KB.
    logic [4:0] border;
    border = 5'd16 - {1'b0, addr[6:3]};
    burst  = left < 32'(border) ? left[4:0] : border;
  endfunction

  logic [4:0] program_burst, image_burst, chosen_burst;
  logic want_program, want_image, issue;
  assign program_burst = burst(program_addr_q, program_left_q);
  assign image_burst   = burst(image_addr_q, image_left_q);
  assign want_program  = program_on_q && {1'b0, pending_q} + 9'd16 <= {1'b0, room_i};
  assign want_image    = image_left_q != '0;
  assign chosen_burst  = want_image ? image_burst : program_burst;
  assign issue = !stop_i && tag_ready && (want_program || want_image) && (!m_arvalid_o || m_arready_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      m_arvalid_o  <= 1'b0;
      program_on_q <= 1'b0;
      image_left_q <= '0;
    end else begin
      if (m_arready_i) m_arvalid_o <= 1'b0;
      if (issue) begin
        m_arvalid_o <= 1'b1;
        m_araddr_o  <= want_image ? image_addr_q : program_addr_q;
        m_arlen_o   <= 4'(chosen_burst - 5'd1);
      end
      if (issue && want_image) begin
        image_addr_q <= image_addr_q + {24'd0, image_burst, 3'b000};
        image_left_q <= image_left_q - 32'(image_burst);
      end else if (issue && program_left_q == 32'(program_burst)) begin
        program_addr_q <= program_addr_i;
        program_left_q <= program_words_i;
      end else if (issue) begin
        program_addr_q <= program_addr_q + {24'd0, program_burst, 3'b000};
        program_left_q <= program_left_q - 32'(program_burst);
      end
      if (program_start_i) begin
        program_on_q   <= 1'b1;
        program_addr_q <= program_addr_i;
        program_left_q <= program_words_i;
      end
      if (image_start_i) begin
        image_addr_q <= image_addr_i;
        image_left_q <= image_words_i;
      end
    end
  end

  bnn_fifo #(.WIDTH(1), .DEPTH(OUTSTANDING)) u_tags (
    .clk_i(clk_i), .rst_ni(rst_ni), .valid_i(issue), .ready_o(tag_ready), .data_i(want_image), .valid_o(tag_valid),
    .ready_i(pop), .data_o(tag), .used_o(tags)
  );

  logic beat;
  assign m_rready_o      = stop_i || (tag_valid && (!tag || image_ready_i));
  assign beat            = m_rvalid_i && m_rready_o;
  assign pop             = beat && m_rlast_i;
  assign program_valid_o = m_rvalid_i && tag_valid && !tag && !stop_i;
  assign image_valid_o   = m_rvalid_i && tag_valid && tag && !stop_i;
  assign program_data_o  = m_rdata_i;
  assign image_data_o    = m_rdata_i;
  assign idle_o          = tags == '0 && !m_arvalid_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) pending_q <= '0;
    else pending_q <= pending_q + (issue && !want_image ? 8'(program_burst) : 8'd0) - 8'(beat && !tag);
    error_o <= rst_ni && beat && m_rresp_i[1];
  end
endmodule
