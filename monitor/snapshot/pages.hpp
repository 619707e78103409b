// Guest RAM as a file: raw, at Firecracker's layout (one region behind the other), with holes where
// there are only zeroes. API thread, while nobody writes to it.
#pragma once

#include <span>

#include "base/result.hpp"
#include "monitor/snapshot/new_file.hpp"
#include "virtio/guest_memory.hpp"

// Errors: those of NewFile.
Result<> write_ram(std::span<const GuestMemory::Region> regions, const NewFile& file);
