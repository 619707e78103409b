// What the check of a kernel image yields: what to copy where, and how to enter it. Plain values,
// made by elf_image and bzimage and carried out by the loader.
#pragma once

#include <cstdint>
#include <vector>

#include "monitor/boot/loader.hpp"
#include "monitor/boot/placement.hpp"

// Bytes of the image and their place. The image holds [offset, offset + file_bytes), guest RAM
// below the MMIO gap holds [at, at + memory_bytes), and file_bytes <= memory_bytes.
struct LoadSegment {
    uint64_t offset = 0;
    GuestAddress at;
    uint64_t file_bytes = 0;
    uint64_t memory_bytes = 0;
    Placement placement = Placement::kCopied;
};

struct LoadPlan {
    LoadedKernel kernel;
    std::vector<LoadSegment> segments;  // ascending, disjoint
};
