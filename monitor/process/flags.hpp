// All flags of `mayfly`, in one table: the parser, the help and (by tests/check-flags) the man
// pages, the completion and the README's tables go by it.
#pragma once

#include <cstdint>
#include <span>

#include "base/options.hpp"

// The commands, as Flag::commands has them: the process's doors.
inline constexpr uint8_t kRunDoor = 1;
inline constexpr uint8_t kServeDoor = 2;
inline constexpr uint8_t kDoctorDoor = 4;
// Those behind which there is a VM; and all.
inline constexpr uint8_t kVmDoors = kRunDoor | kServeDoor;
inline constexpr uint8_t kEveryDoor = kVmDoors | kDoctorDoor;

// The headings of the help, as Flag::group has them.
inline constexpr uint8_t kGuestFlags = 0;
inline constexpr uint8_t kImageFlags = 1;
inline constexpr uint8_t kApiFlags = 2;
inline constexpr uint8_t kInstanceFlags = 3;
inline constexpr uint8_t kLogFlags = 4;
inline constexpr uint8_t kProcessFlags = 5;
inline constexpr uint8_t kDoctorFlags = 6;

std::span<const Flag> all_flags();
