// What a process keeps for itself, as /proc/PID/smaps tells it (proc(5)). Pure functions but for
// the reading of the file; any thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

struct MemoryArea {
    uint64_t start;
    uint64_t end;
    std::string name;          // a file, "[heap]", "[stack]", ..., or "" for anonymous memory
    uint64_t private_kib = 0;  // Private_Clean + Private_Dirty
    uint64_t resident_kib = 0;

    uint64_t size() const { return end - start; }
};

// The areas that the text of an smaps file lists, in its order, which is that of the addresses.
// Errors: EINVAL where a line is not as proc(5) has it.
Result<std::vector<MemoryArea>> parse_smaps(std::string_view text);

// Reads /proc/`pid`/smaps. Errors: as open(2) and read(2).
Result<std::string> read_smaps(pid_t pid);

// The run of areas that is a guest's RAM: adjacent to each other and together exactly `size_bytes`.
// It can be more than one area where files are mapped into guest memory. Of several such runs it is
// the one with the most memory in use. Errors: ENOENT where there is none.
Result<std::span<const MemoryArea>> find_guest_ram(std::span<const MemoryArea> areas,
                                                   uint64_t size_bytes);

uint64_t total_private_kib(std::span<const MemoryArea> areas);
