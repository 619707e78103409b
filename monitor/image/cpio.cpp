#include "monitor/image/cpio.hpp"

#include <array>
#include <cinttypes>
#include <cstdio>
#include <utility>

namespace {

constexpr uint32_t kRegularFile = 0100000;
constexpr size_t kAlignment = 4;

void pad(std::string& bytes) {
    bytes.append((kAlignment - bytes.size() % kAlignment) % kAlignment, '\0');
}

}  // namespace

void CpioArchive::add_entry(std::string_view name, uint32_t mode, std::string_view content) {
    const std::array<uint32_t, 13> fields = {
        next_inode_++,
        mode,
        0,  // user
        0,  // group
        1,  // links
        0,  // time of change
        static_cast<uint32_t>(content.size()),
        0,  // device, major and minor
        0,
        0,  // of a device node: its numbers
        0,
        static_cast<uint32_t>(name.size() + 1),
        0,  // checksum, which this format leaves out
    };
    bytes_ += "070701";
    for (const uint32_t field : fields) {
        std::array<char, 9> digits{};
        std::snprintf(digits.data(), digits.size(), "%08" PRIX32, field);
        bytes_ += digits.data();
    }
    bytes_.append(name).push_back('\0');
    pad(bytes_);
    bytes_.append(content);
    pad(bytes_);
}

void CpioArchive::add_file(std::string_view name, uint32_t mode, std::string_view content) {
    add_entry(name, kRegularFile | mode, content);
}

std::string CpioArchive::finish() {
    next_inode_ = 0;
    add_entry("TRAILER!!!", 0, {});
    return std::move(bytes_);
}
