# From the board's top to a bitstream with Vivado, 2020.1 or later: no project, no block design, no board files.
# vivado -mode batch -source vivado.tcl -tclargs BUILD PERIOD SOURCE... -- NAME=VALUE...
#
# Reports and pynq-bnn.bit go to the folder BUILD, the clock's period is PERIOD ns. UNTRIED: nobody has run this yet.
set part xc7z020clg400-1
set top bnn_board
set build [lindex $argv 0]
set period [lindex $argv 1]
set rest [lrange $argv 2 end]
set border [lsearch -exact $rest --]
set sources [lrange $rest 0 [expr {$border - 1}]]
set generics [lrange $rest [expr {$border + 1}] end]

# The clock comes from the processing system, whose primitive carries no constraint of its own. Its reset is synchronised.
set constraints $build/bnn_board.xdc
set file [open $constraints w]
puts $file "create_clock -name fclk0 -period $period \[get_pins u_ps7/FCLKCLK\[0\]\]"
puts $file "set_false_path -from \[get_pins u_ps7/FCLKRESETN\[0\]\]"
close $file

read_verilog -sv $sources
read_xdc $constraints
set options {}
foreach generic $generics { lappend options -generic $generic }
synth_design -top $top -part $part {*}$options
opt_design
place_design
phys_opt_design
route_design
phys_opt_design

report_utilization -file $build/utilization.txt
report_timing_summary -file $build/timing.txt
report_drc -file $build/drc.txt

set path [get_timing_paths -delay_type max]
if {[llength $path] == 0} { error "no path between registers: is the clock constrained?" }
set slack [get_property SLACK [lindex $path 0]]
set hold [get_property SLACK [lindex [get_timing_paths -delay_type min] 0]]
set facts [open $build/facts.txt w]
puts $facts "vivado [version -short]"
puts $facts "worst_slack_ns $slack"
puts $facts "worst_hold_slack_ns $hold"
puts $facts "lut [llength [get_cells -hierarchical -filter {REF_NAME =~ LUT* || PRIMITIVE_GROUP == DMEM}]]"
puts $facts "ff [llength [get_cells -hierarchical -filter {REF_NAME =~ FD*}]]"
puts $facts "bram18 [llength [get_cells -hierarchical -filter {REF_NAME =~ RAMB18*}]]"
puts $facts "bram36 [llength [get_cells -hierarchical -filter {REF_NAME =~ RAMB36*}]]"
puts $facts "dsp [llength [get_cells -hierarchical -filter {REF_NAME =~ DSP48*}]]"
close $facts
if {$slack < 0 || $hold < 0} { error "timing failed: worst slack $slack ns, hold $hold ns; see $build/timing.txt" }

write_bitstream -force $build/pynq-bnn.bit
