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
  // A write goes when its address and its data are both there, and the answer to the last one was taken.
  logic write, read;
  assign write       = s_awvalid_i && s_wvalid_i && !s_bvalid_o;
  assign s_awready_o = write;
  assign s_wready_o  = write;
  assign s_bresp_o   = 2'b00;
  assign read        = s_arvalid_i && !s_rvalid_o;
  assign s_arready_o = read;
  assign s_rresp_o   = 2'b00;

  // What strobes leave out keeps its value.
  logic [31:0] old, data;
  always_comb begin
    case (s_awaddr_i)
      bnn_pkg::REG_PROGRAM_ADDRESS: old = program_addr_o;
      bnn_pkg::REG_PROGRAM_WORDS:   old = program_words_o;
      bnn_pkg::REG_IMAGE_ADDRESS:   old = image_addr_o;
      bnn_pkg::REG_IMAGE_COUNT:     old = image_count_o;
      bnn_pkg::REG_RESULT_ADDRESS:  old = result_addr_o;
      bnn_pkg::REG_RESULT_WORDS:    old = result_words_o;
      bnn_pkg::REG_INTERRUPT:       old = {31'd0, interrupt_enable_o};
      default:             old = '0;
    endcase
    for (int b = 0; b < 4; b++) data[8*b +: 8] = s_wstrb_i[b] ? s_wdata_i[8*b +: 8] : old[8*b +: 8];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
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
      if (write) s_bvalid_o <= 1'b1;
      else if (s_bready_i) s_bvalid_o <= 1'b0;
      start_o <= write && s_awaddr_i == bnn_pkg::REG_CONTROL && data[0];
      reset_o <= write && s_awaddr_i == bnn_pkg::REG_CONTROL && data[1];
      if (write) begin
        case (s_awaddr_i)
          bnn_pkg::REG_INTERRUPT:       interrupt_enable_o <= data[0];
          bnn_pkg::REG_PROGRAM_ADDRESS: program_addr_o     <= data;
          bnn_pkg::REG_PROGRAM_WORDS:   program_words_o    <= data;
          bnn_pkg::REG_IMAGE_ADDRESS:   image_addr_o       <= data;
          bnn_pkg::REG_IMAGE_COUNT:     image_count_o      <= data;
          bnn_pkg::REG_RESULT_ADDRESS:  result_addr_o      <= data;
          bnn_pkg::REG_RESULT_WORDS:    result_words_o     <= data;
          default: ;
        endcase
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) s_rvalid_o <= 1'b0;
    else if (read) s_rvalid_o <= 1'b1;
    else if (s_rready_i) s_rvalid_o <= 1'b0;

    if (read) begin
      case (s_araddr_i)
        bnn_pkg::REG_ID:              s_rdata_o <= bnn_pkg::IDENTITY;
        bnn_pkg::REG_VERSION:         s_rdata_o <= {24'd0, bnn_pkg::VERSION};
        bnn_pkg::REG_ARRAY:           s_rdata_o <= {8'(ACC_WIDTH), 8'(SIMD), 8'(PE), 8'(LANES)};
        bnn_pkg::REG_MEMORY:          s_rdata_o <= {16'(RING_DEPTH), 16'(BUFFER_DEPTH)};
        bnn_pkg::REG_STATUS:          s_rdata_o <= status_i;
        bnn_pkg::REG_INTERRUPT:       s_rdata_o <= {31'd0, interrupt_enable_o};
        bnn_pkg::REG_PROGRAM_ADDRESS: s_rdata_o <= program_addr_o;
        bnn_pkg::REG_PROGRAM_WORDS:   s_rdata_o <= program_words_o;
        bnn_pkg::REG_IMAGE_ADDRESS:   s_rdata_o <= image_addr_o;
        bnn_pkg::REG_IMAGE_COUNT:     s_rdata_o <= image_count_o;
        bnn_pkg::REG_RESULT_ADDRESS:  s_rdata_o <= result_addr_o;
        bnn_pkg::REG_RESULT_WORDS:    s_rdata_o <= result_words_o;
        bnn_pkg::REG_CYCLES:          s_rdata_o <= cycles_i;
        bnn_pkg::REG_STEPS:           s_rdata_o <= steps_i;
        bnn_pkg::REG_WAIT_PARAMETERS: s_rdata_o <= wait_parameters_i;
        bnn_pkg::REG_WAIT_IMAGES:     s_rdata_o <= wait_images_i;
        bnn_pkg::REG_WAIT_RESULTS:    s_rdata_o <= wait_results_i;
        default:             s_rdata_o <= '0;
      endcase
    end
  end
endmodule
