#include <linux/falloc.h>
#include <linux/loop.h>

#include <cstring>

#include "base/io_control.hpp"
#include "virtio/block_fixture.hpp"

namespace {

TEST_P(BlockTest, FlushIsAnFdatasync) {
    start();
    EXPECT_EQ(answer(VIRTIO_BLK_T_FLUSH, 0), kOk);
    EXPECT_EQ(engine_->count(IoOperation::kFdatasync), 1U);
    EXPECT_EQ(write(0, put(pattern(kSector)), kSector), kOk);
    EXPECT_EQ(engine_->count(IoOperation::kFdatasync), 1U);  // the driver will ask
}

TEST_P(BlockTest, ADriverWithoutFlushHasEveryChangeSynced) {
    start(feature(VIRTIO_BLK_F_DISCARD) | feature(VIRTIO_BLK_F_WRITE_ZEROES));
    size_t syncs = 0;
    std::vector<IoOperation> order;
    engine_->answer = [&](const IoRequest& request) -> std::optional<int32_t> {
        order.push_back(request.operation);
        return {};
    };
    EXPECT_EQ(write(2, put(pattern(kSector)), kSector), kOk);
    EXPECT_EQ(order, (std::vector{IoOperation::kWrite, IoOperation::kFdatasync}));
    EXPECT_EQ(engine_->count(IoOperation::kFdatasync), ++syncs);
    EXPECT_EQ(erase(VIRTIO_BLK_T_DISCARD, 4, 8), kOk);
    EXPECT_EQ(engine_->count(IoOperation::kFdatasync), ++syncs);
    EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 4, 8), kOk);
    EXPECT_EQ(engine_->count(IoOperation::kFdatasync), ++syncs);
    expect_a_good_read();
    EXPECT_EQ(engine_->count(IoOperation::kFdatasync), syncs);
    EXPECT_EQ(answer(VIRTIO_BLK_T_FLUSH, 0), kUnsupported);
}

TEST_P(BlockTest, AWriteWhoseSyncFailsHasFailed) {
    start(0);
    engine_->answer = [](const IoRequest& request) -> std::optional<int32_t> {
        if (request.operation == IoOperation::kFdatasync) return -EIO;
        return {};
    };
    EXPECT_EQ(write(2, put(pattern(kSector)), kSector), kIoError);
    engine_->answer = nullptr;
    EXPECT_EQ(write(2, put(pattern(kSector)), kSector), kOk);
}

TEST_P(BlockTest, AnUnsafeCacheNeverSyncs) {
    create({.id = "disk0", .cache = DiskCache::kUnsafe});
    EXPECT_EQ(disk_->driver.device_features() & kFlush, 0U);
    start(0);
    EXPECT_EQ(write(2, put(pattern(kSector)), kSector), kOk);
    EXPECT_EQ(answer(VIRTIO_BLK_T_FLUSH, 0), kUnsupported);
    EXPECT_EQ(engine_->count(IoOperation::kFdatasync), 0U);
    EXPECT_EQ(in_file(2, 1), pattern(kSector));
}

TEST_P(BlockTest, DiscardGivesStorageBack) {
    create();
    if ((disk_->driver.device_features() & feature(VIRTIO_BLK_F_DISCARD)) == 0)
        GTEST_SKIP() << "the file system of " << testing::TempDir() << " punches no holes";
    start(kFlush | feature(VIRTIO_BLK_F_DISCARD));
    struct stat full {};
    ASSERT_EQ(::fstat(file_.get(), &full), 0);
    EXPECT_EQ(erase(VIRTIO_BLK_T_DISCARD, 64, 1024), kOk);
    struct stat punched {};
    ASSERT_EQ(::fstat(file_.get(), &punched), 0);
    EXPECT_EQ(punched.st_size, full.st_size);
    EXPECT_LT(punched.st_blocks, full.st_blocks);
    EXPECT_EQ(in_file(64, 1024), std::vector<uint8_t>(1024 * kSector));
    EXPECT_EQ(in_file(0, 64), before(0, 64));
    EXPECT_EQ(in_file(1088, kSectors - 1088), before(1088, kSectors - 1088));
}

TEST_P(BlockTest, WriteZeroesReadsAsZeroesWithAndWithoutUnmap) {
    start(kFlush | feature(VIRTIO_BLK_F_WRITE_ZEROES));
    EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 8, 3), kOk);
    EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 15, 9, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP), kOk);
    EXPECT_EQ(in_file(8, 3), std::vector<uint8_t>(3 * kSector));
    EXPECT_EQ(in_file(11, 4), before(11, 4));
    EXPECT_EQ(in_file(15, 9), std::vector<uint8_t>(9 * kSector));
    EXPECT_EQ(in_file(24, 8), before(24, 8));
    EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 30, 0), kOk);
    EXPECT_EQ(in_file(30, 1), before(30, 1));
    // The whole disk, and no sector more.
    EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 0, kSectors), kOk);
    EXPECT_EQ(in_file(0, kSectors), std::vector<uint8_t>(kSectors * kSector));
    struct stat status {};
    ASSERT_EQ(::fstat(file_.get(), &status), 0);
    EXPECT_EQ(static_cast<uint64_t>(status.st_size), kSectors * kSector);
}

// One way after the other, whatever the host has against it; and what was asked for first.
TEST_P(BlockTest, ZeroesAreMadeInWhateverWayTheHostKnows) {
    start(kFlush | feature(VIRTIO_BLK_F_WRITE_ZEROES));
    std::vector<uint32_t> modes;
    size_t refusals = 0;
    int error = 0;
    engine_->answer = [&](const IoRequest& request) -> std::optional<int32_t> {
        if (request.operation != IoOperation::kFallocate) return {};
        modes.push_back(request.flags & ~uint32_t{FALLOC_FL_KEEP_SIZE});
        return modes.size() <= refusals ? -error : 0;
    };
    const std::vector<uint32_t> zeroes_first{FALLOC_FL_ZERO_RANGE, FALLOC_FL_PUNCH_HOLE};
    const std::vector<uint32_t> hole_first{FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE};
    for (error = EOPNOTSUPP; error != 0; error = error == EOPNOTSUPP ? ENOSPC : 0) {
        for (refusals = 0; refusals < 2; ++refusals) {
            const auto tried = [&](const std::vector<uint32_t>& order) {
                return std::vector(order.begin(),
                                   order.begin() + static_cast<ptrdiff_t>(refusals + 1));
            };
            modes.clear();
            EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1), kOk);
            EXPECT_EQ(modes, tried(zeroes_first));
            modes.clear();
            EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP),
                      kOk);
            EXPECT_EQ(modes, tried(hole_first));
        }
    }
    EXPECT_EQ(engine_->count(IoOperation::kWrite), 0U);
    EXPECT_TRUE(file_is_unchanged());
}

// As on a file system that knows neither holes nor ranges of zeroes.
TEST_P(BlockTest, ZeroesAreWrittenWhereTheHostKnowsNoOtherWay) {
    constexpr uint64_t kOnePiece = 1 << 20;
    constexpr uint32_t kMost = (16 << 20) / kSector;
    ASSERT_EQ(::ftruncate(file_.get(), 32 << 20), 0);
    start(kFlush | feature(VIRTIO_BLK_F_WRITE_ZEROES) | feature(VIRTIO_BLK_F_DISCARD));
    uint64_t longest = 0;
    engine_->answer = [&](const IoRequest& request) -> std::optional<int32_t> {
        if (request.operation == IoOperation::kFallocate) return -EOPNOTSUPP;
        uint64_t length = 0;
        for (const iovec& vector : request.vectors) length += vector.iov_len;
        longest = std::max(longest, length);
        return {};
    };
    EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 3, 14), kOk);
    engine_->most_bytes = 700;
    EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 30, 9, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP), kOk);
    engine_->most_bytes = std::numeric_limits<size_t>::max();
    for (const auto& [sector, count] : {std::pair{0U, 3U}, {17U, 13U}, {39U, 2000U}})
        EXPECT_EQ(in_file(sector, count), before(sector, count)) << sector;
    for (const auto& [sector, count] : {std::pair{3U, 14U}, {30U, 9U}})
        EXPECT_EQ(in_file(sector, count), std::vector<uint8_t>(size_t{count} * kSector)) << sector;
    EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 1, kMost), kOk);
    EXPECT_EQ(in_file(1, kSectors), std::vector<uint8_t>(kSectors * kSector));
    EXPECT_EQ(in_file(0, 1), before(0, 1));
    EXPECT_EQ(longest, kOnePiece);  // and a reset waits for no more
    const BlockMetrics& metrics = disk_->device->metrics();
    EXPECT_EQ(metrics.write_count.value() + metrics.write_bytes.value(), 0U);  // not the driver's
    engine_->answer = [](const IoRequest& request) -> std::optional<int32_t> {
        return request.operation == IoOperation::kFallocate ? -EOPNOTSUPP : -EIO;
    };
    EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1), kIoError);
}

// A discard is a hint: storage that does not understand it has lost nothing.
TEST_P(BlockTest, DiscardsThatTheHostCannotDoSucceed) {
    start(kFlush | feature(VIRTIO_BLK_F_DISCARD));
    for (const int error : {EOPNOTSUPP, EINVAL}) {
        engine_->answer = [&](const IoRequest& request) -> std::optional<int32_t> {
            EXPECT_EQ(request.operation, IoOperation::kFallocate);
            return -error;
        };
        EXPECT_EQ(erase(VIRTIO_BLK_T_DISCARD, 0, 8), kOk) << error;
    }
    EXPECT_TRUE(file_is_unchanged());
}

// A block device whose sectors are larger than the guest's: fallocate(2) takes whole ones only.
class BlockSectorTest : public BlockTest {
protected:
    static constexpr uint64_t kEach = 4096 / kSector;

    void SetUp() override {
        BlockTest::SetUp();
        if (IsSkipped()) return;
        const std::string why_not = attach();
        if (!why_not.empty()) GTEST_SKIP() << "no loop device with sectors of 4 KiB: " << why_not;
    }
    void TearDown() override {
        if (is_attached_) {
            EXPECT_EQ(io_control(file_.get(), LOOP_CLR_FD, 0), 0);
            path_ = backing_;  // which is the one to be removed
        }
        BlockTest::TearDown();
    }

    // Puts a loop device over the file, in its place. Why not, if it cannot.
    std::string attach() {
        const UniqueFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
        for (int attempt = 0; control && attempt < 20; ++attempt) {
            const int number = io_control(control.get(), LOOP_CTL_GET_FREE, 0);
            if (number < 0) break;
            const std::string name = "/dev/loop" + std::to_string(number);
            UniqueFd device(::open(name.c_str(), O_RDWR | O_CLOEXEC));
            if (!device) break;
            loop_config config{};
            config.fd = static_cast<uint32_t>(file_.get());
            config.block_size = 4096;
            if (io_control(device.get(), LOOP_CONFIGURE, &config) == 0) {
                backing_ = std::exchange(path_, name);
                file_ = std::move(device);
                is_attached_ = true;
                return {};
            }
            if (errno != EBUSY) break;  // another process was faster
        }
        return std::strerror(errno);
    }

    // The disk with zeroes from one sector to another.
    std::vector<uint8_t> zeroed(uint64_t from, uint64_t to) const {
        std::vector<uint8_t> bytes = content_;
        if (from < to)
            std::fill(bytes.begin() + static_cast<ptrdiff_t>(from * kSector),
                      bytes.begin() + static_cast<ptrdiff_t>(to * kSector), uint8_t{0});
        return bytes;
    }
    void restore() {
        ASSERT_EQ(::pwrite(file_.get(), content_.data(), content_.size(), 0),
                  static_cast<ssize_t>(content_.size()));
    }

    struct Range {
        uint64_t sector;
        uint32_t count;
    };
    static constexpr std::array<Range, 9> kRanges{{{0, 8},
                                                   {8, 16},
                                                   {1, 1},
                                                   {1, 7},
                                                   {7, 2},
                                                   {3, 13},
                                                   {1, 1000},
                                                   {5, 1003},
                                                   {kSectors - 9, 9}}};

    std::string backing_;
    bool is_attached_ = false;
};

TEST_P(BlockSectorTest, TellsTheDriverOfThem) {
    create();
    const auto config = disk_->driver.read_config<virtio_blk_config>(0);
    EXPECT_EQ(config.capacity, kSectors);
    EXPECT_EQ(config.blk_size, kSector);  // images have partitions of such
    EXPECT_EQ(config.topology.physical_block_exp, 3);
    EXPECT_EQ(config.discard_sector_alignment, kEach);
}

TEST_P(BlockSectorTest, ReadsAndWritesSectorsOfTheGuest) {
    start();
    const auto fresh = pattern(3 * kSector);
    EXPECT_EQ(write(7, put(fresh), 3 * kSector), kOk);
    EXPECT_EQ(in_file(7, 3), fresh);
    EXPECT_EQ(in_file(0, 7), before(0, 7));
    EXPECT_EQ(in_file(10, 20), before(10, 20));
}

TEST_P(BlockSectorTest, WriteZeroesReachesItsEnds) {
    start(kFlush | feature(VIRTIO_BLK_F_WRITE_ZEROES));
    for (const uint32_t flags : {uint32_t{0}, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP}) {
        for (const auto& [sector, count] : kRanges) {
            restore();
            EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, sector, count, flags), kOk) << sector;
            EXPECT_TRUE(in_file(0, kSectors) == zeroed(sector, sector + count))
                << sector << "+" << count;
        }
    }
}

TEST_P(BlockSectorTest, DiscardTakesWhatIsWholeAndLeavesTheEnds) {
    start(kFlush | feature(VIRTIO_BLK_F_DISCARD));
    for (const auto& [sector, count] : kRanges) {
        restore();
        EXPECT_EQ(erase(VIRTIO_BLK_T_DISCARD, sector, count), kOk) << sector;
        const uint64_t first = (sector + kEach - 1) / kEach * kEach;
        const uint64_t last = (sector + count) / kEach * kEach;
        EXPECT_TRUE(in_file(0, kSectors) == zeroed(first, last)) << sector << "+" << count;
    }
    EXPECT_EQ(engine_->count(IoOperation::kWrite), 0U);
}

TEST_P(BlockSectorTest, EndsAreSyncedForADriverWithoutFlush) {
    start(feature(VIRTIO_BLK_F_WRITE_ZEROES));
    std::vector<IoOperation> order;
    engine_->answer = [&](const IoRequest& request) -> std::optional<int32_t> {
        order.push_back(request.operation);
        return {};
    };
    EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 7, 10), kOk);
    EXPECT_EQ(order, (std::vector{IoOperation::kWrite, IoOperation::kFallocate, IoOperation::kWrite,
                                  IoOperation::kFdatasync}));
}

// §5.2.6.2: unknown flags, and the unmap flag of a discard; more than max_discard_seg ranges.
TEST_P(BlockTest, RangesThatMakeNoSenseAreRefused) {
    start(kFlush | feature(VIRTIO_BLK_F_DISCARD) | feature(VIRTIO_BLK_F_WRITE_ZEROES));
    EXPECT_EQ(erase(VIRTIO_BLK_T_DISCARD, 0, 1, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP), kUnsupported);
    EXPECT_EQ(erase(VIRTIO_BLK_T_DISCARD, 0, 1, 2), kUnsupported);
    EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 2), kUnsupported);
    EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 0x80000001), kUnsupported);
    const GuestAddress at = ram_.allocate(32);
    for (const uint32_t type : {VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES}) {
        for (const uint32_t length : {1U, 15U, 17U, 32U})
            EXPECT_EQ(answer(type, 0, {{at, length}}), kIoError) << length;
        EXPECT_EQ(answer(type, 0), kIoError);
    }
    EXPECT_TRUE(file_is_unchanged());
}

// A reset waits for what the kernel has begun; so that is never a whole disk.
TEST_P(BlockTest, WhatIsErasedAtOnceIsBounded) {
    constexpr uint64_t kLarge = 1ULL << 40;
    ASSERT_EQ(::ftruncate(file_.get(), kLarge), 0);
    start(kFlush | feature(VIRTIO_BLK_F_DISCARD) | feature(VIRTIO_BLK_F_WRITE_ZEROES));
    uint64_t longest = 0;
    engine_->answer = [&](const IoRequest& request) -> std::optional<int32_t> {
        longest = std::max(longest, request.length);
        return 0;
    };
    constexpr uint32_t kMost = (16 << 20) / kSector;
    const auto config = disk_->driver.read_config<virtio_blk_config>(0);
    EXPECT_EQ(config.max_discard_sectors, kMost);
    EXPECT_EQ(config.max_write_zeroes_sectors, kMost);
    for (const uint32_t type : {VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES}) {
        EXPECT_EQ(erase(type, 1, kMost), kOk);
        for (const uint32_t count : {kMost + 1, uint32_t{kLarge / kSector - 1}, 0xffffffffU})
            EXPECT_EQ(erase(type, 1, count), kIoError) << count;
    }
    EXPECT_EQ(engine_->count(IoOperation::kFallocate), 2U);
    EXPECT_EQ(longest, 16U << 20);
}

INSTANTIATE_TEST_SUITE_P(Both, BlockSectorTest, testing::Values(Kind::kRing, Kind::kPlain),
                         kind_name);

}  // namespace
