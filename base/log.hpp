// The monitor's own words: one line each on stderr, never between the guest's bytes on stdout.
// Every line is one write(2), so that lines of several threads do not mix. Any thread.
#pragma once

#include "base/result.hpp"

// Writes "mayfly: <text>\n".
[[gnu::format(printf, 1, 2)]] void log_line(const char* format, ...);

// Writes "mayfly: <the error as format_error puts it>\n".
void log_error(const Error& error);

// The program's name at the start of each line, instead of "mayfly". Before other threads start;
// the string outlives them.
void set_log_name(const char* name);
