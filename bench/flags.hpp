// What the subcommands have in common in their flags. Pure but for a look at the file system.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/options.hpp"

// The flag's number, in [least, most], or `otherwise` where it was not given. Errors: as
// parse_number(), about the flag.
Result<uint64_t> number_of(const Options& options, const char* flag, uint64_t otherwise,
                           uint64_t least, uint64_t most);

// The flag's path, or that of program `name` beside this one. Errors: as access(2).
Result<std::string> path_of(const Options& options, const char* flag, std::string_view name);

// The same for a file that is only read; `name` is relative to this program's folder.
Result<std::string> file_of(const Options& options, const char* flag, std::string_view name);

// Errors: /dev/kvm cannot be used.
Result<> check_kvm();
