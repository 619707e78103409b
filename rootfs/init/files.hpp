// Whole small files, read and written. Buffers live until init ends.
#pragma once

#include <span>
#include <string_view>

// The bytes of `path`; empty where it cannot be read.
std::span<char> read_file(const char* path);

// Replaces what is in `path`, which need not exist. False with errno where it cannot be.
bool write_file(const char* path, std::string_view text);
