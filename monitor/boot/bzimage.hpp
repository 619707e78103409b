// Checks a bzImage: a Linux kernel with its own decompressor, or another program in that format
// such as memtest86+. It is entered at its 64-bit entry; its real-mode part stays in the file. Main
// thread. Format: Linux, Documentation/arch/x86/boot.rst.
#pragma once

#include "base/result.hpp"
#include "monitor/boot/image.hpp"
#include "monitor/boot/load_plan.hpp"

// `low_ram_end`: the end of guest RAM below the MMIO gap. Writes nothing.
// Errors: the field that is wrong, with its value; as Image::read.
Result<LoadPlan> plan_bzimage(const Image& image, GuestAddress low_ram_end);
