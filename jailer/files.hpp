// Small files of the kernel's: cgroups, maps.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

// Writes `text` to an existing file, relative to the folder `folder` (AT_FDCWD: the working one),
// in one system call. Errors: as open(2) and write(2).
Result<> write_file(int folder, const char* path, std::string_view text);

// All of a file of at most 1 MiB, relative to `folder`. Errors: as open(2) and read(2).
Result<std::string> read_file(int folder, const char* path);

// Closes every descriptor of the process that is not in `kept`. Errors: as close_range(2).
Result<> close_all_but(std::vector<int> kept);

// Removes `name` in the folder `parent`, with all that is in it. Follows no link, enters no other
// mount, and goes on where something cannot be removed.
void remove_tree(int parent, const char* name);
