#include "virtio/disk_format.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

namespace {

constexpr size_t kSectorBytes = 512;

struct Signature {
    std::string_view magic;
    size_t at;  // in the file's first sector, or in its last
    const char* words;
};

#define IMAGE(format) \
    "looks like a " format " image; make a raw one: qemu-img convert -O raw IMAGE DISK"
#define COMPRESSED(format) "looks " format "-compressed; unpack it first"

constexpr Signature kBeginnings[] = {
    {"QFI\xfb", 0, IMAGE("qcow")},
    {{"QED\0", 4}, 0, IMAGE("QED")},
    {"KDMV", 0, IMAGE("VMDK")},
    {"# Disk DescriptorFile", 0, IMAGE("VMDK")},
    {"\x7f\x10\xda\xbe", 0x40, IMAGE("VDI")},
    {"vhdxfile", 0, IMAGE("VHDX")},
    {"conectix", 0, IMAGE("VHD")},
    {"\x1f\x8b\x08", 0, COMPRESSED("gzip")},
    {{"\xfd"
      "7zXZ\0",
      6},
     0,
     COMPRESSED("xz")},
    {"\x28\xb5\x2f\xfd", 0, COMPRESSED("zstd")},
    {"BZh", 0, COMPRESSED("bzip2")},
};
constexpr Signature kEnds[] = {{"koly", 0, IMAGE("DMG")}};

const char* find(std::span<const Signature> signatures, int fd, uint64_t at) {
    std::array<char, kSectorBytes> sector{};
    if (::pread(fd, sector.data(), sector.size(), static_cast<off_t>(at)) <= 0) return nullptr;
    const std::string_view bytes(sector.data(), sector.size());
    const auto found = std::ranges::find_if(signatures, [bytes](const Signature& signature) {
        return bytes.substr(signature.at).starts_with(signature.magic);
    });
    return found == signatures.end() ? nullptr : found->words;
}

}  // namespace

const char* unplayed_journal(int fd) {
    // struct ext4_super_block; its numbers are little-endian.
    constexpr off_t kSuperblockAt = 1024;
    constexpr size_t kMagicAt = 0x38;
    constexpr size_t kIncompatibleFeaturesAt = 0x60;
    constexpr uint8_t kNeedsRecovery = 4;  // EXT4_FEATURE_INCOMPAT_RECOVER
    std::array<uint8_t, kIncompatibleFeaturesAt + 1> superblock{};
    if (::pread(fd, superblock.data(), superblock.size(), kSuperblockAt) !=
            static_cast<ssize_t>(superblock.size()) ||
        superblock[kMagicAt] != 0x53 || superblock[kMagicAt + 1] != 0xef ||
        (superblock[kIncompatibleFeaturesAt] & kNeedsRecovery) == 0)
        return nullptr;
    return "its ext4 was not unmounted, and its journal cannot be replayed read-only: run it once "
           "with --rw, or e2fsck -p it";
}

const char* foreign_format(int fd, uint64_t size_bytes) {
    if (const char* const words = find(kBeginnings, fd, 0)) return words;
    return size_bytes < kSectorBytes ? nullptr : find(kEnds, fd, size_bytes - kSectorBytes);
}
