// A clock buffer of the device, for simulation.
module BUFG (
  input  logic I,
  output logic O
);
  assign O = I;
endmodule
