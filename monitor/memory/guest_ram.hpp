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

class GuestRam {
public:
    // `size_bytes` of RAM, a multiple of the page size: [0, 3 GiB), the rest from 4 GiB up.
    // Errors: a size of 0 or not in pages; ENOMEM.
    static Result<GuestRam> create(uint64_t size_bytes);

    GuestMemory memory() const { return GuestMemory(regions_); }
    std::span<const GuestMemory::Region> regions() const { return regions_; }
    uint64_t size_bytes() const { return size_bytes_; }

    // Puts [offset, offset + length) of the file `fd` at guest address `at`, copy-on-write: pages
    // are shared with every other VM of that kernel until the guest writes to them. All three
    // numbers are page multiples and the range is RAM. Errors: EFAULT, EINVAL, as mmap(2).
    Result<> map_file(GuestAddress at, int fd, uint64_t offset, uint64_t length) const;

private:
    GuestRam(std::vector<Mapping> mappings, std::vector<GuestMemory::Region> regions,
             uint64_t size_bytes)
        : mappings_(std::move(mappings)), regions_(std::move(regions)), size_bytes_(size_bytes) {}

    std::vector<Mapping> mappings_;
    std::vector<GuestMemory::Region> regions_;
    uint64_t size_bytes_;
};
