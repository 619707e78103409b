// What the host's kernel tells in files, /proc and /sys among them, below one folder: "/", or a
// tree that a test has made. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

class HostTree {
public:
    // Of a longer file only so much is read: of /proc/cpuinfo the first processors.
    static constexpr size_t kMostBytes = 64 << 10;
    // Of a folder with more names, only so many.
    static constexpr size_t kMostNames = 256;

    // A `root` that cannot be opened has no files.
    explicit HostTree(const char* root);

    // Paths are relative to the root. Errors: as open(2) and read(2), about the file.
    Result<std::string> text(const char* path) const;
    // Its first line, without blanks around it.
    Result<std::string> line(const char* path) const;
    // A decimal number that stands there alone. Errors: also EINVAL, about the file.
    Result<uint64_t> number(const char* path) const;
    bool has(const char* path) const;
    bool may_write(const char* path) const;
    // In order. None of a folder that cannot be read.
    std::vector<std::string> names(const char* path) const;

private:
    UniqueFd root_;
};

// Cuts the first line off `text`.
std::string_view take_line(std::string_view& text);
// Cuts the first word off `line`; "" if there is none.
std::string_view take_word(std::string_view& line);
// What follows "KEY" and then ':' or '=', blanks aside, in the first line that begins so.
std::optional<std::string_view> value_of(std::string_view text, std::string_view key);
bool holds_word(std::string_view line, std::string_view word);
