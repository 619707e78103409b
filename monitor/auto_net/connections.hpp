// The host's table of connections (conntrack), which outlives VMs and their rules: the mark that
// tells one VM's from those of the VMs that had its address before. Main thread.
#pragma once

#include <cstdint>

#include "base/result.hpp"

// Of a connection: the highest bit, so that it is hardly somebody else's; the VM's number, which is
// that of its network, 14 bits; and that of its interface, 17 bits, which a host counts upwards and
// gives again after all others.
constexpr uint32_t mark_of(uint32_t number, uint32_t interface_index) {
    return 1U << 31 | (number & 0x3fff) << 17 | (interface_index & 0x1'ffff);
}
// What VMs of one number have in common.
inline constexpr uint32_t kMarkOfNumber = 0xfffe'0000;

// Removes what is left of the connections of former VMs of `mark`'s number. Without that they pass
// no packet either, since their mark is another, but stand in the way of a new one between the same
// ports. Errors: as rtnetlink(7); EOPNOTSUPP, EINVAL where the kernel has no ctnetlink.
Result<> forget_former_connections(uint32_t mark);
