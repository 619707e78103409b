// Kernel images built byte by byte for the loader's tests. Offsets are written out from the
// specifications, not taken from the structures that the loader uses. Tests only.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <gtest/gtest.h>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "monitor/boot/image.hpp"
#include "monitor/boot/loader.hpp"
#include "monitor/memory/guest_ram.hpp"

class TestImage {
public:
    explicit TestImage(size_t size) : bytes_(size) {}

    template <typename T>
    TestImage& put(size_t at, T value) {
        std::memcpy(std::span(bytes_).subspan(at, sizeof(T)).data(), &value, sizeof(T));
        return *this;
    }
    TestImage& put_text(size_t at, std::string_view text) {
        std::memcpy(std::span(bytes_).subspan(at, text.size()).data(), text.data(), text.size());
        return *this;
    }
    // The byte that fill() leaves at `at`: never 0, and different in neighbouring pages.
    static std::byte pattern(size_t at) {
        return static_cast<std::byte>((at % 251 + at / 4096) % 255 + 1);
    }
    TestImage& fill(size_t from, size_t to) {
        for (size_t at = from; at < to; ++at) bytes_[at] = pattern(at);
        return *this;
    }
    TestImage& resize(size_t size) {
        bytes_.resize(size);
        return *this;
    }

    size_t size() const { return bytes_.size(); }
    std::span<const std::byte> bytes() const { return bytes_; }
    Image embedded() const { return Image::embedded(bytes_); }

private:
    std::vector<std::byte> bytes_;
};

// ELF64: the file header is 64 bytes, program headers follow, 56 bytes each.
namespace elf {
constexpr size_t kEntry = 24;  // e_entry
constexpr size_t kPhoff = 32;
constexpr size_t kPhentsize = 54;
constexpr size_t kPhnum = 56;
constexpr size_t kSegments = 64;
constexpr size_t kFlags = 4, kOffset = 8, kPaddr = 24, kFilesz = 32, kMemsz = 40, kAlign = 48;

// Where field `field` of program header `index` is.
constexpr size_t at(size_t index, size_t field) {
    return kSegments + index * 56 + field;
}

struct Segment {
    uint32_t type;   // 1: PT_LOAD, 4: PT_NOTE
    uint32_t flags;  // 1: execute
    uint64_t offset;
    uint64_t paddr;
    uint64_t filesz;
    uint64_t memsz;
};

// A file of `size` bytes with these segments, each filled with the pattern.
inline TestImage build(size_t size, uint64_t entry, std::span<const Segment> segments) {
    TestImage image(size);
    image.put_text(0,
                   "\x7f"
                   "ELF\x02\x01\x01");
    image.put<uint16_t>(16, 2).put<uint16_t>(18, 62).put<uint32_t>(20, 1);
    image.put<uint64_t>(kEntry, entry).put<uint64_t>(kPhoff, kSegments);
    image.put<uint16_t>(52, 64).put<uint16_t>(kPhentsize, 56);
    image.put(kPhnum, static_cast<uint16_t>(segments.size()));
    for (size_t i = 0; i < segments.size(); ++i) {
        const Segment& segment = segments[i];
        image.put(at(i, 0), segment.type).put(at(i, kFlags), segment.flags);
        image.put(at(i, kOffset), segment.offset).put(at(i, kPaddr), segment.paddr);
        image.put(at(i, kFilesz), segment.filesz).put(at(i, kMemsz), segment.memsz);
        image.fill(segment.offset, segment.offset + segment.filesz);
    }
    return image;
}

// One executable segment at 1 MiB, entered at its start: 6 KiB of the file's offset 0x1000, and
// bss.
inline TestImage simple() {
    const Segment load{1, 5, 0x1000, 0x100000, 0x1800, 0x3000};
    return build(0x2800, 0x100000, std::span(&load, 1));
}

// The same and a note segment at offset 0x200 of `size` bytes, for the test to fill.
inline TestImage with_notes(uint64_t size) {
    const Segment segments[] = {{1, 5, 0x1000, 0x100000, 0x1800, 0x3000},
                                {4, 4, 0x200, 0, size, size}};
    TestImage image = build(0x2800, 0x100000, segments);
    for (size_t i = 0; i < size; ++i) image.put<uint8_t>(0x200 + i, 0);
    return image;
}

// An ELF32 of two program headers, 32 bytes each behind a file header of 52: a segment of 6 KiB and
// bss at 1 MiB, entered there, and a note segment at offset 0x200 of `note_bytes`.
inline TestImage build_32(uint32_t note_bytes) {
    TestImage image(0x2800);
    image.put_text(0,
                   "\x7f"
                   "ELF\x01\x01\x01");
    image.put<uint16_t>(16, 2).put<uint16_t>(18, 3).put<uint32_t>(20, 1);
    image.put<uint32_t>(24, 0x100000).put<uint32_t>(28, 52);
    image.put<uint16_t>(40, 52).put<uint16_t>(42, 32).put<uint16_t>(44, 2);
    // type, offset, virtual address, address, bytes in the file and in memory, flags, alignment
    const uint32_t headers[] = {1, 0x1000, 0, 0x100000, 0x1800,     0x3000, 7, 0,
                                4, 0x200,  0, 0,        note_bytes, 0,      4, 4};
    for (size_t i = 0; i < std::size(headers); ++i) image.put(52 + 4 * i, headers[i]);
    return image.fill(0x1000, 0x2800);
}

inline TestImage& put_note(TestImage& image, size_t at, uint32_t type, std::string_view name,
                           uint32_t desc_bytes, uint64_t desc) {
    image.put(at, static_cast<uint32_t>(name.size())).put(at + 4, desc_bytes).put(at + 8, type);
    image.put_text(at + 12, name);
    const size_t desc_at = at + 12 + (name.size() + 3) / 4 * 4;
    return desc_bytes == 4 ? image.put(desc_at, static_cast<uint32_t>(desc))
                           : image.put(desc_at, desc);
}
}  // namespace elf

// bzImage: Linux, Documentation/arch/x86/boot.rst.
namespace bz {
constexpr size_t kSetupSects = 0x1f1;
constexpr size_t kSyssize = 0x1f4;
constexpr size_t kBootFlag = 0x1fe;
constexpr size_t kJump = 0x200;
constexpr size_t kVersion = 0x206;
constexpr size_t kKernelVersion = 0x20e;
constexpr size_t kLoadflags = 0x211;
constexpr size_t kInitrdAddrMax = 0x22c;
constexpr size_t kRelocatable = 0x234;
constexpr size_t kXloadflags = 0x236;
constexpr size_t kCmdlineSize = 0x238;
constexpr size_t kSetupData = 0x250;
constexpr size_t kPrefAddress = 0x258;
constexpr size_t kInitSize = 0x260;

// `setup_sects` sectors of setup and 5 KiB of kernel, for 1 MiB, with 64 KiB of init_size.
inline TestImage build(uint8_t setup_sects) {
    const size_t payload = (setup_sects + size_t{1}) * 512;
    TestImage image(payload + 0x1400);
    image.put(kSetupSects, setup_sects).put<uint32_t>(kSyssize, 0x140);
    image.put<uint16_t>(kBootFlag, 0xaa55).put<uint16_t>(kJump, 0x6aeb).put_text(0x202, "HdrS");
    image.put<uint16_t>(kVersion, 0x20f).put<uint16_t>(kKernelVersion, 0x100);
    image.put_text(0x300, "6.1.0-test");
    image.put<uint8_t>(kLoadflags, 0x81).put<uint32_t>(kInitrdAddrMax, 0x7fffffff);
    image.put<uint8_t>(kRelocatable, 1).put<uint16_t>(kXloadflags, 0x7f);
    image.put<uint32_t>(kCmdlineSize, 2047).put<uint64_t>(kPrefAddress, 0x100000);
    image.put<uint64_t>(kSetupData, 0x1234).put<uint32_t>(kInitSize, 0x10000);
    return image.fill(payload, image.size());
}
}  // namespace bz

// A file with these bytes, which is gone with the object.
class TestFile {
public:
    explicit TestFile(std::span<const std::byte> bytes)
        : path_(testing::TempDir() + "mayfly-image-XXXXXX"), fd_(::mkstemp(path_.data())) {
        EXPECT_EQ(::write(fd_.get(), bytes.data(), bytes.size()),
                  static_cast<ssize_t>(bytes.size()));
    }
    TestFile(const TestFile&) = delete;
    TestFile& operator=(const TestFile&) = delete;
    ~TestFile() { ::unlink(path_.c_str()); }

    const char* path() const { return path_.c_str(); }
    void cut(size_t size) const { EXPECT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(size)), 0); }

    std::vector<std::byte> content(size_t size) const {
        std::vector<std::byte> bytes(size);
        EXPECT_EQ(::pread(fd_.get(), bytes.data(), size, 0), static_cast<ssize_t>(size));
        return bytes;
    }

private:
    std::string path_;
    UniqueFd fd_;
};

inline std::vector<std::byte> read_ram(const GuestMemory& memory, uint64_t at, size_t size) {
    std::vector<std::byte> bytes(size);
    EXPECT_TRUE(memory.read_bytes(GuestAddress{at}, bytes).ok());
    return bytes;
}

// True if RAM at `at` holds the pattern that lies at `offset` of the image.
inline bool holds_pattern(const GuestMemory& memory, uint64_t at, size_t offset, size_t size) {
    const auto bytes = read_ram(memory, at, size);
    for (size_t i = 0; i < size; ++i)
        if (bytes[i] != TestImage::pattern(offset + i)) return false;
    return true;
}

inline bool is_zero(const GuestMemory& memory, uint64_t at, size_t size) {
    return read_ram(memory, at, size) == std::vector<std::byte>(size);
}

inline std::string line_of(const Error& error) {
    std::string line(256, '\0');
    line.resize(format_error(error, line));
    return line;
}

// Expects the image to be refused with one line that contains `words`, and RAM left as it was.
inline void expect_refused(const Image& image, std::string_view words,
                           uint64_t ram_bytes = 2 << 20) {
    const auto ram = GuestRam::create(ram_bytes);
    ASSERT_TRUE(ram.ok());
    const auto loaded = load_kernel(image, ram.value());
    ASSERT_FALSE(loaded.ok()) << "not refused: " << words;
    EXPECT_NE(line_of(loaded.error()).find(words), std::string::npos)
        << line_of(loaded.error()) << "\n  lacks: " << words;
    EXPECT_TRUE(is_zero(ram.value().memory(), 0, 2 << 20));
}
