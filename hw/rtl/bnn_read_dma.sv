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

  // Whether the rest goes into one burst, and its length: up to a multiple of 16 words, so that later bursts are whole
  // and none crosses 4 KB.
  function automatic logic [5:0] burst(input logic [31:0] addr, input logic [31:0] left);
    logic [4:0] border;
    logic ends;
    border = 5'd16 - {1'b0, addr[6:3]};
    ends   = left[31:5] == '0 && left[4:0] <= border;
    burst  = {ends, ends ? left[4:0] : border};
  endfunction

  // What could be asked for is found in one cycle and asked for in the next, so there is a cycle between two bursts.
  logic [4:0] program_burst_q, image_burst_q, chosen_burst;
  logic program_ends_q, image_ends_q, want_program_q, want_image_q, fresh_q, issue;
  always_ff @(posedge clk_i) begin
    {program_ends_q, program_burst_q} <= burst(program_addr_q, program_left_q);
    {image_ends_q, image_burst_q}     <= burst(image_addr_q, image_left_q);
    want_program_q <= rst_ni && program_on_q && {1'b0, pending_q} + 9'd16 <= {1'b0, room_i};
    want_image_q   <= rst_ni && image_left_q != '0;
    fresh_q        <= rst_ni && !issue;
  end
  assign chosen_burst = want_image_q ? image_burst_q : program_burst_q;
  assign issue        = fresh_q && !stop_i && tag_ready && (want_program_q || want_image_q) && !m_arvalid_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      m_arvalid_o  <= 1'b0;
      program_on_q <= 1'b0;
      image_left_q <= '0;
    end else begin
      if (m_arready_i) m_arvalid_o <= 1'b0;
      if (issue) begin
        m_arvalid_o <= 1'b1;
        m_araddr_o  <= want_image_q ? image_addr_q : program_addr_q;
        m_arlen_o   <= 4'(chosen_burst - 5'd1);
      end
      if (issue && want_image_q) begin
        image_addr_q <= image_addr_q + {24'd0, image_burst_q, 3'b000};
        image_left_q <= image_ends_q ? '0 : image_left_q - 32'(image_burst_q);
      end else if (issue && !program_ends_q) begin
        program_addr_q <= program_addr_q + {24'd0, program_burst_q, 3'b000};
        program_left_q <= program_left_q - 32'(program_burst_q);
      end
      if (issue && !want_image_q && program_ends_q) begin
        program_addr_q <= program_addr_i;
        program_left_q <= program_words_i;
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
    .clk_i(clk_i), .rst_ni(rst_ni), .valid_i(issue), .ready_o(tag_ready), .data_i(want_image_q), .valid_o(tag_valid),
    .ready_i(pop), .data_o(tag), .used_o(tags)
  );

  // Beats go through registers, since the processor's side of the port is far and slow.
  logic beat, image_beat, image_room;
  assign m_rready_o = stop_i || (tag_valid && (!tag || image_room));
  assign beat       = m_rvalid_i && m_rready_o;
  assign pop        = beat && m_rlast_i;
  assign idle_o     = tags == '0 && !m_arvalid_o;
  assign image_beat = m_rvalid_i && tag_valid && tag && !stop_i;
  bnn_slice #(.WIDTH(64)) u_images (
    .clk_i(clk_i), .rst_ni(rst_ni && !stop_i), .valid_i(image_beat), .ready_o(image_room), .data_i(m_rdata_i),
    .valid_o(image_valid_o), .ready_i(image_ready_i), .data_o(image_data_o)
  );
  always_ff @(posedge clk_i) begin
    program_valid_o <= rst_ni && m_rvalid_i && tag_valid && !tag && !stop_i;
    program_data_o  <= m_rdata_i;
    error_o         <= rst_ni && beat && m_rresp_i[1];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) pending_q <= '0;
    else pending_q <= pending_q + (issue && !want_image_q ? 8'(program_burst_q) : 8'd0) - 8'(program_valid_o);
  end
endmodule
