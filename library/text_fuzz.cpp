// Any bytes that a VM's process may write to its stderr, and any body of a failure: what comes of
// them fits, is UTF-8 without control characters, and is the same however the bytes arrive.
extern "C" {
#include "library/lines.h"
#include "library/text.h"
}

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace {

using Line = std::array<char, MAYFLY_TEXT_SIZE>;

void check(bool holds) {
    if (!holds) __builtin_trap();
}

// Shown once more, it does not change: there is nothing left in it to be replaced.
void check_shown(const Line& line) {
    const void* const end = std::memchr(line.data(), 0, line.size());
    check(end != nullptr);
    Line again{};
    mayfly_text_copy(again.data(), again.size(), line.data(), std::strlen(line.data()));
    check(std::strcmp(line.data(), again.data()) == 0);
    check(std::none_of(line.data(), static_cast<const char*>(end),
                       [](char byte) { return static_cast<unsigned char>(byte) < 0x20; }));
}

std::vector<std::string> lines_of(const char* bytes, size_t size, size_t step) {
    mayfly_lines lines{};
    std::vector<std::string> found;
    Line line{};
    for (size_t at = 0; at < size;) {
        at += mayfly_lines_add(&lines, bytes + at, std::min(step, size - at));
        while (mayfly_lines_take(&lines, false, line.data())) {
            check_shown(line);
            found.emplace_back(line.data());
        }
    }
    while (mayfly_lines_take(&lines, true, line.data())) found.emplace_back(line.data());
    check(lines.used == 0);
    return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const auto bytes = std::make_unique<char[]>(size);  // the sanitizer knows where it ends
    std::copy_n(data, size, bytes.get());
    Line line{};
    if (mayfly_text_fault(line.data(), line.size(), bytes.get(), size)) check_shown(line);
    const auto lines = lines_of(bytes.get(), size, size);
    check(lines == lines_of(bytes.get(), size, 1));
    check(lines == lines_of(bytes.get(), size, 100));
    return 0;
}
