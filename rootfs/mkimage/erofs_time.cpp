#include "rootfs/mkimage/erofs_time.hpp"

#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

namespace {

// Linux's fs/erofs/erofs_fs.h; all fields are little-endian.
constexpr off_t kSuperblockAt = 1024;
constexpr uint32_t kMagic = 0xe0f5e1e2;
constexpr uint32_t kHasChecksum = 1;  // EROFS_FEATURE_COMPAT_SB_CHKSUM

struct Superblock {
    uint32_t magic;           // 0
    uint32_t checksum;        // 4: CRC-32C from here to the block's end, as if it were 0
    uint32_t feature_compat;  // 8
    uint8_t block_bits;       // 12
    uint8_t extra_slots;
    uint16_t root_nid;
    uint64_t inodes;           // 16
    uint64_t build_time;       // 24
    uint32_t build_time_nsec;  // 32
    uint32_t rest;
};
static_assert(sizeof(Superblock) == 40 && offsetof(Superblock, build_time) == 24);

// Without a final inversion, as the kernel's crc32c() of ~0.
uint32_t crc32c(std::span<const std::byte> bytes) {
    constexpr uint32_t kPolynomial = 0x82f63b78;  // Castagnoli's, bits reversed
    uint32_t crc = ~uint32_t{0};
    for (const std::byte byte : bytes) {
        crc ^= std::to_integer<uint32_t>(byte);
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? kPolynomial : 0);
    }
    return crc;
}

}  // namespace

Result<> set_erofs_time(int image, uint32_t time) {
    Superblock superblock{};
    if (::pread(image, &superblock, sizeof(superblock), kSuperblockAt) != sizeof(superblock) ||
        superblock.magic != kMagic || superblock.block_bits < 11 || superblock.block_bits > 16)
        return Error{"mkfs.erofs", 0, "has made something that is no erofs"};
    superblock.build_time = time;
    superblock.build_time_nsec = 0;
    superblock.checksum = 0;

    std::vector<std::byte> rest((size_t{1} << superblock.block_bits) - kSuperblockAt);
    if (::pread(image, rest.data(), rest.size(), kSuperblockAt) !=
        static_cast<ssize_t>(rest.size()))
        return Error{"mkfs.erofs", 0, "has made an image that ends in its superblock"};
    std::memcpy(rest.data(), &superblock, sizeof(superblock));
    if ((superblock.feature_compat & kHasChecksum) != 0) superblock.checksum = crc32c(rest);
    if (::pwrite(image, &superblock, sizeof(superblock), kSuperblockAt) != sizeof(superblock))
        return Error::from_errno("write");
    return Ok{};
}
