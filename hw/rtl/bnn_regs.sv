// AXI4-Lite slave: registers as in bnn_pkg. One transfer of each kind at a time; an unknown address reads 0.
module bnn_regs #(
  parameter int LANES = 8,
  parameter int PE = 32,
  parameter int SIMD = 64,
  parameter int RING_DEPTH = 512,
  parameter int BUFFER_DEPTH = 4096,
  parameter int ACC_WIDTH = 20
) (
  input  logic        clk_i,
  input  logic        rst_ni,
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
  // To and from bnn_control
  output logic        start_o,
  output logic        reset_o,
  output logic        interrupt_enable_o,
  output logic [31:0] program_addr_o,
  output logic [31:0] program_words_o,
  output logic [31:0] image_addr_o,
  output logic [31:0] image_count_o,
  output logic [31:0] result_addr_o,
  output logic [31:0] result_words_o,
  input  logic [31:0] status_i,
  input  logic [31:0] cycles_i,
  input  logic [31:0] steps_i,
  input  logic [31:0] wait_parameters_i,
  input  logic [31:0] wait_images_i,
  input  logic [31:0] wait_results_i
);
  // A write goes when its address and its data are both there, and the answer to the last one was taken. Registers are
  // spread over the device, so a write is decoded in one cycle and stored in the next, and a read takes two cycles: one
  // of each block of eight registers, then the block. Processors need far more cycles than that.
  logic write, read, write_q;
  assign write       = s_awvalid_i && s_wvalid_i && !s_bvalid_o && !write_q;
  assign s_awready_o = write;
  assign s_wready_o  = write;
  assign s_bresp_o   = 2'b00;
  assign s_arready_o = read;
  assign s_rresp_o   = 2'b00;

  logic [11:0] write_addr_q;
  logic [31:0] data_q, stored_q;
  logic [3:0] strobes_q, address_q, words_q, image_q, count_q, result_q, room_q;
  always_ff @(posedge clk_i) begin
    write_addr_q <= s_awaddr_i;
    data_q       <= s_wdata_i;
    strobes_q    <= s_wstrb_i;
    stored_q     <= data_q;
    address_q <= {4{rst_ni && write_q && write_addr_q == bnn_pkg::REG_PROGRAM_ADDRESS}} & strobes_q;
    words_q   <= {4{rst_ni && write_q && write_addr_q == bnn_pkg::REG_PROGRAM_WORDS}} & strobes_q;
    image_q   <= {4{rst_ni && write_q && write_addr_q == bnn_pkg::REG_IMAGE_ADDRESS}} & strobes_q;
    count_q   <= {4{rst_ni && write_q && write_addr_q == bnn_pkg::REG_IMAGE_COUNT}} & strobes_q;
    result_q  <= {4{rst_ni && write_q && write_addr_q == bnn_pkg::REG_RESULT_ADDRESS}} & strobes_q;
    room_q    <= {4{rst_ni && write_q && write_addr_q == bnn_pkg::REG_RESULT_WORDS}} & strobes_q;
  end

  logic control, enable;
  assign control = write_q && write_addr_q == bnn_pkg::REG_CONTROL && strobes_q[0];
  assign enable  = write_q && write_addr_q == bnn_pkg::REG_INTERRUPT && strobes_q[0];
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q            <= 1'b0;
      s_bvalid_o         <= 1'b0;
      start_o            <= 1'b0;
      reset_o            <= 1'b0;
      interrupt_enable_o <= 1'b0;
      program_addr_o     <= '0;
      program_words_o    <= '0;
      image_addr_o       <= '0;
      image_count_o      <= '0;
      result_addr_o      <= '0;
      result_words_o     <= '0;
    end else begin
      write_q <= write;
      if (write_q) s_bvalid_o <= 1'b1;
      else if (s_bready_i) s_bvalid_o <= 1'b0;
      start_o <= control && data_q[0];
      reset_o <= control && data_q[1];
      if (enable) interrupt_enable_o <= data_q[0];
      for (int b = 0; b < 4; b++) begin
        if (address_q[b]) program_addr_o[8*b +: 8]  <= stored_q[8*b +: 8];
        if (words_q[b])   program_words_o[8*b +: 8] <= stored_q[8*b +: 8];
        if (image_q[b])   image_addr_o[8*b +: 8]    <= stored_q[8*b +: 8];
        if (count_q[b])   image_count_o[8*b +: 8]   <= stored_q[8*b +: 8];
        if (result_q[b])  result_addr_o[8*b +: 8]   <= stored_q[8*b +: 8];
        if (room_q[b])    result_words_o[8*b +: 8]  <= stored_q[8*b +: 8];
      end
    end
  end

  // Reads: the address, then a register of each block, then the answer.
  typedef enum logic [1:0] {ADDRESS, CHOOSE, ANSWER, TAKEN} read_e;
  read_e read_state_q;
  logic [11:0] read_addr_q;
  logic [31:0] about_q, set_q, counted_q;
  assign read       = s_arvalid_i && read_state_q == ADDRESS;
  assign s_rvalid_o = read_state_q == TAKEN;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      read_state_q <= ADDRESS;
    end else begin
      case (read_state_q)
        ADDRESS: if (s_arvalid_i) read_state_q <= CHOOSE;
        CHOOSE:  read_state_q <= ANSWER;
        ANSWER:  read_state_q <= TAKEN;
        default: if (s_rready_i) read_state_q <= ADDRESS;
      endcase
    end
    if (read) read_addr_q <= s_araddr_i;
    if (read_state_q == ANSWER) begin
      case (read_addr_q[11:5])
        bnn_pkg::REG_ID[11:5]:              s_rdata_o <= about_q;
        bnn_pkg::REG_PROGRAM_ADDRESS[11:5]: s_rdata_o <= set_q;
        bnn_pkg::REG_CYCLES[11:5]:          s_rdata_o <= counted_q;
        default:                            s_rdata_o <= '0;
      endcase
    end
  end
  always_ff @(posedge clk_i) begin
    case (read_addr_q[4:0])
      bnn_pkg::REG_ID[4:0]:        about_q <= bnn_pkg::IDENTITY;
      bnn_pkg::REG_VERSION[4:0]:   about_q <= {24'd0, bnn_pkg::VERSION};
      bnn_pkg::REG_ARRAY[4:0]:     about_q <= {8'(ACC_WIDTH), 8'(SIMD), 8'(PE), 8'(LANES)};
      bnn_pkg::REG_MEMORY[4:0]:    about_q <= {16'(RING_DEPTH), 16'(BUFFER_DEPTH)};
      bnn_pkg::REG_STATUS[4:0]:    about_q <= status_i;
      bnn_pkg::REG_INTERRUPT[4:0]: about_q <= {31'd0, interrupt_enable_o};
      default:                     about_q <= '0;
    endcase
    case (read_addr_q[4:0])
      bnn_pkg::REG_PROGRAM_ADDRESS[4:0]: set_q <= program_addr_o;
      bnn_pkg::REG_PROGRAM_WORDS[4:0]:   set_q <= program_words_o;
      bnn_pkg::REG_IMAGE_ADDRESS[4:0]:   set_q <= image_addr_o;
      bnn_pkg::REG_IMAGE_COUNT[4:0]:     set_q <= image_count_o;
      bnn_pkg::REG_RESULT_ADDRESS[4:0]:  set_q <= result_addr_o;
      bnn_pkg::REG_RESULT_WORDS[4:0]:    set_q <= result_words_o;
      default:                           set_q <= '0;
    endcase
    case (read_addr_q[4:0])
      bnn_pkg::REG_CYCLES[4:0]:          counted_q <= cycles_i;
      bnn_pkg::REG_STEPS[4:0]:           counted_q <= steps_i;
      bnn_pkg::REG_WAIT_PARAMETERS[4:0]: counted_q <= wait_parameters_i;
      bnn_pkg::REG_WAIT_IMAGES[4:0]:     counted_q <= wait_images_i;
      bnn_pkg::REG_WAIT_RESULTS[4:0]:    counted_q <= wait_results_i;
      default:                           counted_q <= '0;
    endcase
  end
endmodule
