// Checks an ELF kernel: an uncompressed Linux (vmlinux), another PVH kernel, which may be an ELF32,
// or a unikernel with our user64 note. Main thread. Format: System V gABI chapters 4 and 5 with the
// AMD64 supplement. Segments go to their p_paddr, and nothing is relocated.
#pragma once

#include "base/result.hpp"
#include "monitor/boot/image.hpp"
#include "monitor/boot/load_plan.hpp"

// `low_ram_end`: the end of guest RAM below the MMIO gap. Writes nothing.
// The protocol is user64 if a Mayfly note asks for it, else PVH if a Xen note offers it, else
// Linux's 64-bit entry at e_entry, which an ELF32 has not. Errors: the field that is wrong, with
// its value; as Image::read.
Result<LoadPlan> plan_elf(const Image& image, GuestAddress low_ram_end);
