// A small file or a pipe, whole. Any thread.
#pragma once

#include <string>

#include "base/result.hpp"

// What `fd` has from its position to its end, at most 1 MiB. Errors: as read(2); EFBIG.
Result<std::string> read_all(int fd);
