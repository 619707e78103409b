// What a test or a benchmark has the guest do once it is up.
#pragma once

#include <cstdint>

#include "rootfs/unikernel/boot_info.hpp"
#include "rootfs/unikernel/clock.hpp"

// `buffer` is room for the text that a payload writes: one page.
namespace payload {

// Writes one word into each page of `mib` MiB of RAM, in the order of the memory map, from 2 MiB
// up. The word is the page's own address, so that no two pages are the same. Says how much that was
// and how long it took.
void fill(uint64_t mib, View<const hvm_memmap_table_entry> map, const Clock& clock,
          View<char> buffer);

// Writes `lines` pattern lines, numbered from 0, a page at a time.
void print(uint64_t lines, View<char> buffer);

// Reads `bytes` bytes from the serial line and says what they hash to.
void sum(uint64_t bytes, View<char> buffer);

// Sends back what comes in, up to the byte 0x04 (ASCII EOT, Ctrl-D), which it keeps.
void echo();

}  // namespace payload
