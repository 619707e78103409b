// The bytes are a tar archive, in which the checksum of each block that says "ustar" is put right
// first. Whatever it says, names have no NUL, numbers are in their bounds, and content comes in
// order, within the file, and as much of it as is said.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/unique_fd.hpp"
#include "rootfs/mkimage/archive.hpp"

namespace {

constexpr size_t kMostBytes = size_t{64} << 10U;

void check(bool holds) {
    if (!holds) __builtin_trap();
}

void put_checksum(char* block) {
    constexpr size_t kMagicAt = 257;
    constexpr size_t kChecksumAt = 148;
    constexpr size_t kChecksumBytes = 8;
    if (std::memcmp(block + kMagicAt, "ustar", 5) != 0) return;
    std::memset(block + kChecksumAt, ' ', kChecksumBytes);
    unsigned sum = 0;
    for (size_t i = 0; i < kTarBlockBytes; ++i) sum += static_cast<unsigned char>(block[i]);
    std::snprintf(block + kChecksumAt, kChecksumBytes, "%06o", sum);
}

void check_entry(const TarEntry& entry) {
    check(entry.path.find('\0') == std::string::npos);
    check(entry.target.find('\0') == std::string::npos);
    check((entry.mode & ~07777U) == 0);
    check(entry.modified.tv_nsec >= 0 && entry.modified.tv_nsec < 1'000'000'000);
    for (const auto& [name, value] : entry.xattrs) check(name.find('\0') == std::string::npos);
    uint64_t end = 0;
    for (const TarSegment& segment : entry.segments) {
        check(segment.offset >= end && segment.size <= entry.size - segment.offset);
        end = segment.offset + segment.size;
    }
    check(entry.kind == TarKind::kFile || entry.segments.empty());
}

// False: the archive is broken.
bool read_content(Archive& archive, const TarEntry& entry) {
    uint64_t end = 0;
    uint64_t sum = 0;
    for (;;) {
        const auto piece = archive.next_piece();
        if (!piece.ok()) return false;
        if (!piece.value()) break;
        check(piece.value()->offset >= end && !piece.value()->bytes.empty());
        end = piece.value()->offset + piece.value()->bytes.size();
        sum += piece.value()->bytes.size();
        check(end <= entry.size);
    }
    uint64_t said = 0;
    for (const TarSegment& segment : entry.segments) said += segment.size;
    check(sum == said);
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string bytes(data, data + std::min(size, kMostBytes));
    for (size_t at = 0; at + kTarBlockBytes <= bytes.size(); at += kTarBlockBytes)
        put_checksum(&bytes[at]);
    const UniqueFd file(::memfd_create("archive", MFD_CLOEXEC));
    check(::write(file.get(), bytes.data(), bytes.size()) == std::ssize(bytes));
    check(::lseek(file.get(), 0, SEEK_SET) == 0);
    auto interrupt = Interrupt::create();
    check(interrupt.ok());
    Job job{std::move(interrupt).value()};
    auto archive = Archive::open(file.get(), "archive", job);
    if (!archive.ok()) return 0;
    for (;;) {
        const auto entry = archive.value().next();
        if (!entry.ok() || entry.value() == nullptr) break;
        check_entry(*entry.value());
        if (!read_content(archive.value(), *entry.value())) break;
    }
    return 0;
}
