// Records that pass between the modules of the core.
//
// Addresses of buffer words are 16 bits everywhere and checked against the buffer's depth where they are used.
package bnn_types;
  // A position of a layer's window, before pooling (from bnn_positions).
  typedef struct packed {
    logic [15:0] base;           // first word of the image in the lane buffer
    logic signed [15:0] y;       // row of the window's first tap, negative in the padding
    logic signed [15:0] x;       // its column
    logic [15:0] out_addr;       // where the result goes
    logic [2:0] out_part;        // in which PE-wide part of the word
    logic pool_first;            // first position of a pool window
    logic pool_last;             // last position of a pool window: the result is written
    logic tile_last;             // last position of the tile
  } position_t;

  // The part of a window that lies inside the map (from bnn_windows); words, or bytes for FP-Conv.
  typedef struct packed {
    logic [15:0] addr;           // first tap's place in the lane buffer
    logic [15:0] skipped;        // what of the kernel lies before it
    logic [15:0] row_span;       // extent of a window row
    logic [15:0] row_inc;        // from the last word of a row to the next row's first
    logic [15:0] weight_row_inc; // the same for its weights
    logic [2:0] rows_m1, cols_m1;
    logic [2:0] y0, y1, x0, x1;  // taps inside the map
    logic [15:0] values;         // real inputs under the window
    logic [15:0] out_addr;
    logic [2:0] out_part;
    logic pool_first;
    logic pool_last;
    logic tile_last;
  } window_t;

  // A nest of loops over words (from a walker to bnn_steps): rows × columns × words.
  typedef struct packed {
    logic [15:0] addr;           // first activation word
    logic [15:0] col_inc;        // from the last word of a column to the next column's first
    logic [15:0] row_inc;        // from the last word of a row to the next row's first
    logic [15:0] weight;         // first weight row of the tile
    logic [15:0] weight_row_inc; // from the last weight row of a window row to the next one's first
    logic [15:0] words_m1;       // loop counts less one
    logic [7:0] cols_m1;
    logic [2:0] rows_m1;
    logic one_word, one_col;     // words_m1 is 0, cols_m1 is 0
    logic [2:0] y0, y1, x0, x1;  // taps inside the map: y0 ≤ row ≤ y1, x0 ≤ column ≤ x1 (pad with one)
    logic check;                 // taps outside are +1 instead of being left out
    logic planes;                // a row is a bit plane: double the sum between rows
    logic from_window;           // activations are planes of the pixel window
    logic copy;                  // write the plane to the buffer; no sum
    logic [15:0] values;         // N, real inputs under the window, less the start of the sums
    logic [15:0] out_addr;
    logic [2:0] out_part;
    logic pool_first;
    logic pool_last;
    logic tile_last;
  } walk_t;

  // What an activation word is.
  localparam logic [2:0] SEL_BUFFER = 3'd0;
  localparam logic [2:0] SEL_PLANE  = 3'd1;
  localparam logic [2:0] SEL_ZERO   = 3'd2;
  localparam logic [2:0] SEL_ONES   = 3'd3;
  localparam logic [2:0] SEL_MASK   = 3'd4; // ones on the real channels of a pixel's last word

  // One cycle of the array (from bnn_steps).
  typedef struct packed {
    logic valid;                 // an array step, or a threshold row
    logic thresholds;            // the ring row holds thresholds, not weights
    logic [15:0] row;            // ring row
    logic [1:0] part;            // which SIMD-wide part of the 64-bit words
    logic read;                  // fetch addr from the lane buffers
    logic [15:0] addr;
    logic [2:0] sel;
    logic [2:0] plane;           // 0 is the most significant
    logic first;                 // start the sum
    logic twice;                // double the sum before adding
    logic last;                  // the sum is complete: take its sign
    logic pool_first;
    logic write;                 // write the pooled bits, or the copied plane
    logic copy;
    logic [15:0] values;
    logic [15:0] out_addr;
    logic [2:0] out_part;        // which PE-wide part of the output word
  } step_t;

  // The part of a step that the array needs.
  typedef struct packed {
    logic valid;                 // add a word
    logic thresholds;
    logic [15:0] row;
    logic [1:0] part;
    logic [2:0] plane;
    logic first;
    logic twice;
    logic last;
    logic pool_first;
    logic [15:0] values;
  } pe_step_t;

  // A word on its way into the parameter ring.
  typedef struct packed {
    logic valid;
    logic [5:0] pe;
    logic [15:0] row;
    logic [63:0] data;
  } ring_write_t;

  // A word from the lanes' side of the write port: results of the array, or planes.
  typedef struct packed {
    logic valid;
    logic copy;
    logic [15:0] addr;
    logic [2:0] part;            // which PE-wide part of the word
  } lane_write_t;

  // A word from DDR for one lane.
  typedef struct packed {
    logic valid;
    logic [2:0] lane;
    logic [15:0] addr;
    logic [63:0] data;
  } load_t;

  // One cycle of the lanes' read side (gather for FP-Conv, buffer reads, read-out).
  typedef struct packed {
    logic read;
    logic [15:0] addr;
  } fetch_t;

  // What happens to the pixel window when a fetched word arrives.
  typedef struct packed {
    logic swap;                  // the gathered window becomes the used one; fill the other with padding
    logic take;                  // put bytes of the word into the window
    logic [2:0] rotate;          // byte j of the word goes to byte lane (j + rotate) mod 8
    logic [6:0] low;             // window bytes low ≤ m < high are taken
    logic [6:0] high;
  } gather_t;
endpackage
