// The guest's RAM: owner of the host memory behind it, laid out around the 32-bit MMIO gap.
//
// Created by the machine on the main thread; afterwards any thread uses the GuestMemory view of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/mapping.hpp"
#include "base/result.hpp"
#include "virtio/guest_memory.hpp"

// What the host's pages are that back it.
enum class RamPages : uint8_t {
    kOrdinary,  // as the guest touches them; transparent huge pages as the host is set
    kHuge,      // of 2 MiB, set aside from the host's pool
};

class GuestRam {
public:
    // `size_bytes` of RAM, a multiple of the pages' size: [0, 3 GiB), the rest from 4 GiB up.
    // Errors: a size of 0 or not in pages; ENOMEM; too few huge pages.
    static Result<GuestRam> create(uint64_t size_bytes, RamPages pages = RamPages::kOrdinary);

    GuestMemory memory() const { return GuestMemory(regions_); }
    std::span<const GuestMemory::Region> regions() const { return regions_; }
    uint64_t size_bytes() const { return size_bytes_; }
    RamPages pages() const { return pages_; }

    // Puts [offset, offset + length) of the file `fd` at guest address `at`, copy-on-write: pages
    // are shared with every other VM of that kernel until the guest writes to them. All three
    // numbers are page multiples and the range is RAM, in ordinary pages. Errors: EFAULT, EINVAL,
    // as mmap(2).
    Result<> map_file(GuestAddress at, int fd, uint64_t offset, uint64_t length) const;

    // The same of all of it: one region behind the other in the file. Errors: as map_file();
    // EINVAL where it is of huge pages.
    Result<> map_all(int fd) const;

private:
    GuestRam(std::vector<Mapping> mappings, std::vector<GuestMemory::Region> regions,
             uint64_t size_bytes, RamPages pages)
        : mappings_(std::move(mappings)),
          regions_(std::move(regions)),
          size_bytes_(size_bytes),
          pages_(pages) {}

    std::vector<Mapping> mappings_;
    std::vector<GuestMemory::Region> regions_;
    uint64_t size_bytes_;
    RamPages pages_;
};
