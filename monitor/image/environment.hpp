// The variables that `mayfly run --image` adds to its program's environment, of --env and of the
// files of --env-file. (Arguments are public in /proc. What a named variable or a file holds is
// not.) Main thread, before the machine.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

// The value of a variable of this process; nullptr where it is not set. As getenv(3).
using FindVariable = const char* (*)(const char* name);

// `setting`, which is NAME=VALUE or NAME, as NAME=VALUE. Errors, about `setting`: it has no name;
// the variable is not set.
Result<std::string> resolve_variable(std::string_view setting, FindVariable find);

// Adds what a file in docker's format says: a line is NAME=VALUE, the value as it stands, or NAME.
// Blanks before it do not count, nor do empty lines and those that begin with #. `name`: the
// file's. Errors, about `name` and the line, and never with a value in them: a name is missing or
// has blanks; a byte 0; the variable is not set.
Result<> parse_environment(std::string_view name, std::string_view text, FindVariable find,
                           std::vector<std::string>& variables);

// The same of the file or pipe at `path`, at most 1 MiB. Errors: as open(2) and read(2), too.
Result<> read_environment(const std::string& path, FindVariable find,
                          std::vector<std::string>& variables);
