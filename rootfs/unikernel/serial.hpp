// The serial line: a 16550A at COM1, polled.
//
// The monitor's port takes bytes as fast as they come, so LSR.THRE is not polled before a byte:
// every access of a port leaves the guest, and leaving is what costs.
#pragma once

#include <cstdint>

#include "rootfs/unikernel/view.hpp"

namespace serial {

// Writes all of `bytes` with one string instruction and waits until the monitor has seen them.
void write(StringView bytes);

// Raises DTR and RTS: tells the other side that somebody reads. Once, before the first read().
void enable_input();

// Waits for a byte.
uint8_t read();

}  // namespace serial
