// The MP table: processors, IOAPIC and interrupt wiring for a kernel that does not read ACPI.
//
// MultiProcessor Specification 1.4 §4. Written once by the main thread, before the first vCPU runs.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "virtio/guest_memory.hpp"

// Writes the floating pointer structure and the configuration table at layout::kMpTable, together
// at most layout::kMpTableMaxBytes. `vcpus` is 1 to 32, with APIC ids from 0 up.
// Errors: EINVAL (vcpus), EFAULT (RAM ends below it; the table is not written in part then).
Result<> write_mp_table(const GuestMemory& memory, uint32_t vcpus);
