// The help's lines about flags, from their table: "  --kernel FILE             what it means". Main
// thread.
#pragma once

#include <span>
#include <string>

#include "base/options.hpp"

// "--kernel FILE", "--jail[=UID:GID]", "-h, --help".
std::string flag_form(const Flag& flag);

// Appends the flags of `group` that `commands` take, in the table's order. No line is wider than 80
// columns if no line of a meaning is wider than kMeaningColumns.
inline constexpr size_t kMeaningColumns = 53;
void append_flags(std::string& page, std::span<const Flag> flags, uint8_t commands, uint8_t group);
