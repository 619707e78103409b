// What the program says about itself, on stdout. Both return the exit status: 0, or 125 where
// stdout takes no words.
#pragma once

int print_usage();
int print_version();
