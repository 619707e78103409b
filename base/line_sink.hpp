// Where lines for people and tools go: the log, the metrics. A file, to which they are added; a
// device, such as a terminal; or a FIFO, whose reader may be slow, go away and come back, and never
// holds up who writes.
#pragma once

#include <cstddef>
#include <span>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

// Opens `path`, or creates a file there. A FIFO is opened for reading too: so it can be opened
// before its reader, and a write to it never raises SIGPIPE.
// Errors, each about `path`: as open(2); a block device.
Result<UniqueFd> open_line_sink(const char* path);

// One write(2), again if a signal came in between. Returns how many bytes were written, or -1 with
// errno. Any thread, and signal handlers.
ssize_t write_once(int fd, std::span<const char> bytes);
