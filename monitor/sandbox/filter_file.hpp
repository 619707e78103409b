// Compiled system call filters, as mayfly-policy writes them and the monitor takes them:
//
//     8 bytes "MayflyBP"; then for each role 16 bytes of its name, padded with zeroes; the number
//     of instructions, 32 bits; and the instructions, 8 bytes each (struct sock_filter).
//
// Integers are little-endian. A comparison with kOwnPid is one with the id of the process that
// installs the filter, which nobody knows when it is compiled.
#pragma once

#include <linux/filter.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace filter_file {

// Above every process id: those end at 2^22 (PID_MAX_LIMIT of linux/threads.h).
constexpr uint32_t kOwnPid = 0x7057'4e30;

constexpr std::array<char, 8> kMagic{'M', 'a', 'y', 'f', 'l', 'y', 'B', 'P'};

struct Header {
    std::array<char, 16> role;
    uint32_t count;
};
static_assert(sizeof(Header) == 20 && std::is_trivially_copyable_v<Header>);
static_assert(sizeof(sock_filter) == 8);

}  // namespace filter_file
