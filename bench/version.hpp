// Versions of programs and kernels. One thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

// The first line that `PROGRAM --version` prints within five seconds; "": none. Errors: as
// Process::start(), EINTR.
Result<std::string> version_of(const std::string& program);

// The first word with a digit in such a line; "-": none.
std::string_view version_number(std::string_view line);

// Whether `left` is older than `right`: runs of digits compare as numbers.
bool is_older_version(std::string_view left, std::string_view right);
