// Written by `python -m pynq_bnn.program` from pynq_bnn/program/fields.py and config.py: change those, not this.
package bnn_pkg;

  localparam int DEFAULT_LANES = 8;
  localparam int DEFAULT_PE = 32;
  localparam int DEFAULT_SIMD = 64;
  localparam int DEFAULT_BUFFER_DEPTH = 4096;
  localparam int DEFAULT_RING_DEPTH = 512;
  localparam int DEFAULT_ACC_WIDTH = 20;
  localparam int PE_GROUP = 8;
  localparam int MAX_WINDOW_BYTES = 64;

  localparam logic [31:0] IDENTITY = 32'h504e424e;
  localparam logic [7:0] VERSION = 8'd1;
  localparam logic [15:0] PROGRAM_MAGIC = 16'hb59a;
  localparam logic [15:0] LAYER_MAGIC = 16'hb51e;
  localparam int PROGRAM_WORDS = 3;
  localparam int LAYER_WORDS = 5;
  localparam logic [3:0] KIND_FP_CONV = 4'd1;
  localparam logic [3:0] KIND_BIN_CONV = 4'd2;
  localparam logic [3:0] KIND_BIN_FC = 4'd3;
  localparam logic [3:0] KIND_PLANES = 4'd4;
  localparam logic [7:0] ERROR_NONE = 8'd0;
  localparam logic [7:0] ERROR_START = 8'd1;
  localparam logic [7:0] ERROR_PROGRAM = 8'd2;
  localparam logic [7:0] ERROR_HEADER = 8'd3;
  localparam logic [7:0] ERROR_ENDED = 8'd4;
  localparam logic [7:0] ERROR_RANGE = 8'd5;
  localparam logic [7:0] ERROR_RESULTS = 8'd6;
  localparam logic [7:0] ERROR_READ = 8'd7;
  localparam logic [7:0] ERROR_WRITE = 8'd8;

  localparam logic [11:0] REG_ID = 12'h000;
  localparam logic [11:0] REG_VERSION = 12'h004;
  localparam logic [11:0] REG_ARRAY = 12'h008;
  localparam logic [11:0] REG_MEMORY = 12'h00c;
  localparam logic [11:0] REG_CONTROL = 12'h010;
  localparam logic [11:0] REG_STATUS = 12'h014;
  localparam logic [11:0] REG_INTERRUPT = 12'h018;
  localparam logic [11:0] REG_PROGRAM_ADDRESS = 12'h020;
  localparam logic [11:0] REG_PROGRAM_WORDS = 12'h024;
  localparam logic [11:0] REG_IMAGE_ADDRESS = 12'h028;
  localparam logic [11:0] REG_IMAGE_COUNT = 12'h02c;
  localparam logic [11:0] REG_RESULT_ADDRESS = 12'h030;
  localparam logic [11:0] REG_RESULT_WORDS = 12'h034;
  localparam logic [11:0] REG_CYCLES = 12'h040;
  localparam logic [11:0] REG_STEPS = 12'h044;
  localparam logic [11:0] REG_WAIT_PARAMETERS = 12'h048;
  localparam logic [11:0] REG_WAIT_IMAGES = 12'h04c;
  localparam logic [11:0] REG_WAIT_RESULTS = 12'h050;

  typedef struct packed {
    logic [12:0] spare2;
    logic [0:0] odd;
    logic [0:0] halved;
    logic [0:0] scores;
    logic [15:0] check;
    logic [15:0] classes;
    logic [15:0] slots;
    logic [15:0] out_stride;
    logic [15:0] out_base;
    logic [15:0] in_stride;
    logic [15:0] in_base;
    logic [15:0] out_words;
    logic [15:0] in_words;
    logic [7:0] layers;
    logic [7:0] version;
    logic [15:0] magic;
  } program_t;


  typedef struct packed {
    logic [15:0] check;
    logic [15:0] kernel_row_words;
    logic [15:0] tap_values;
    logic [15:0] out_pixel_words;
    logic [15:0] row_words;
    logic [15:0] pixel_words;
    logic [15:0] out_width;
    logic [15:0] out_height;
    logic [15:0] in_width;
    logic [15:0] in_height;
    logic [15:0] out_stride;
    logic [15:0] out_base;
    logic [15:0] in_stride;
    logic [15:0] in_base;
    logic [15:0] rows;
    logic [15:0] tiles;
    logic [5:0] spare0;
    logic [6:0] last_channels;
    logic [7:0] pad_byte;
    logic [2:0] padding;
    logic [2:0] kernel;
    logic [1:0] stride;
    logic [1:0] pool_log2;
    logic [0:0] planes;
    logic [0:0] pad_one;
    logic [0:0] score;
    logic [0:0] frees_images;
    logic [0:0] last;
    logic [7:0] index;
    logic [3:0] kind;
    logic [15:0] magic;
  } layer_t;


  typedef struct packed {
    logic [23:0] spare0;
    logic [0:0] invert;
    logic [6:0] carries;
    logic [31:0] start;
  } threshold_t;

endpackage
