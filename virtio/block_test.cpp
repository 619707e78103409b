#include "virtio/block_fixture.hpp"

namespace {

// --- §5.2.3, §5.2.4: what it says of itself -----------------------------------------------------

TEST_P(BlockTest, OffersWhatTheDiskCanDo) {
    create();
    const uint64_t features = disk_->driver.device_features();
    for (const unsigned bit :
         {VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_TOPOLOGY, VIRTIO_BLK_F_FLUSH})
        EXPECT_NE(features & feature(bit), 0U) << bit;
    EXPECT_EQ(features & feature(VIRTIO_BLK_F_RO), 0U);
    const auto config = disk_->driver.read_config<virtio_blk_config>(0);
    EXPECT_EQ(config.capacity, kSectors);
    EXPECT_EQ(config.seg_max, 254U);
    EXPECT_EQ(config.blk_size, kSector);
    EXPECT_EQ(config.num_queues, 1);
    EXPECT_EQ(config.max_discard_sectors, Block::kMostErasedSectors);
    EXPECT_EQ(config.max_write_zeroes_seg, 1U);
    EXPECT_EQ(disk_->driver.read(MmioRegister::DeviceID), VIRTIO_ID_BLOCK);
}

TEST_P(BlockTest, AReadOnlyDiskOffersNothingThatChangesIt) {
    create({.id = "disk0"}, DiskAccess::kReadOnly);
    const uint64_t features = disk_->driver.device_features();
    EXPECT_NE(features & feature(VIRTIO_BLK_F_RO), 0U);
    for (const unsigned bit : {VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_WRITE_ZEROES})
        EXPECT_EQ(features & feature(bit), 0U) << bit;
    start(feature(VIRTIO_BLK_F_RO));
    const GuestAddress data = put(pattern(kSector));
    EXPECT_EQ(write(0, data, kSector), kIoError);
    EXPECT_EQ(erase(VIRTIO_BLK_T_DISCARD, 0, 1), kIoError);
    EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP), kIoError);
    EXPECT_TRUE(file_is_unchanged());
    EXPECT_EQ(engine_->count(IoOperation::kWrite), 0U);
    EXPECT_EQ(engine_->count(IoOperation::kFallocate), 0U);
    expect_a_good_read();
}

// --- §5.2.6: requests ---------------------------------------------------------------------------

TEST_P(BlockTest, ReadsAndWrites) {
    start();
    const GuestAddress at = ram_.allocate(8 * kSector);
    EXPECT_EQ(read(3, at, 8 * kSector), (Answer{VIRTIO_BLK_S_OK, 8 * kSector + 1}));
    EXPECT_EQ(get(at, 8 * kSector), before(3, 8));

    const auto fresh = pattern(4 * kSector);
    EXPECT_EQ(write(5, put(fresh), 4 * kSector), kOk);
    EXPECT_EQ(in_file(5, 4), fresh);
    EXPECT_EQ(in_file(0, 5), before(0, 5));
    EXPECT_EQ(in_file(9, kSectors - 9), before(9, kSectors - 9));
    EXPECT_EQ(read(5, at, 4 * kSector), (Answer{VIRTIO_BLK_S_OK, 4 * kSector + 1}));
    EXPECT_EQ(get(at, 4 * kSector), fresh);
}

TEST_P(BlockTest, ReadsTheLastSectorAndNotTheNext) {
    start();
    const GuestAddress at = ram_.allocate(2 * kSector);
    EXPECT_EQ(read(kSectors - 1, at, kSector), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
    EXPECT_EQ(get(at, kSector), before(kSectors - 1, 1));
    EXPECT_EQ(read(kSectors, at, kSector), kIoError);
    EXPECT_EQ(read(kSectors - 1, at, 2 * kSector), kIoError);
    EXPECT_EQ(write(kSectors, at, kSector), kIoError);
    EXPECT_EQ(write(kSectors - 1, at, 2 * kSector), kIoError);
    EXPECT_TRUE(file_is_unchanged());
}

TEST_P(BlockTest, SectorsThatOverflowAreErrors) {
    start(kFlush | feature(VIRTIO_BLK_F_DISCARD) | feature(VIRTIO_BLK_F_WRITE_ZEROES));
    const GuestAddress at = ram_.allocate(kSector);
    for (const uint64_t sector : {~uint64_t{0}, uint64_t{1} << 63, (uint64_t{1} << 55),
                                  (uint64_t{1} << 55) + 1, ~uint64_t{0} / kSector}) {
        EXPECT_EQ(read(sector, at, kSector), kIoError) << sector;
        EXPECT_EQ(write(sector, at, kSector), kIoError) << sector;
        for (const uint32_t count : {1U, 0xffffffffU, 0x80000000U}) {
            EXPECT_EQ(erase(VIRTIO_BLK_T_DISCARD, sector, count), kIoError) << sector;
            EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, sector, count), kIoError) << sector;
        }
    }
    for (const uint32_t count : {0xffffffffU, 0x00800000U, static_cast<uint32_t>(kSectors)}) {
        EXPECT_EQ(erase(VIRTIO_BLK_T_DISCARD, 1, count), kIoError) << count;
        EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 1, count), kIoError) << count;
    }
    EXPECT_TRUE(file_is_unchanged());
    EXPECT_EQ(engine_->count(IoOperation::kFallocate), 0U);
}

TEST_P(BlockTest, DataIsWholeSectors) {
    start();
    const GuestAddress at = ram_.allocate(2 * kSector);
    for (const uint32_t length : {1U, kSector - 1, kSector + 1, 2 * kSector - 1}) {
        EXPECT_EQ(read(0, at, length), kIoError) << length;
        EXPECT_EQ(write(0, at, length), kIoError) << length;
    }
    EXPECT_TRUE(file_is_unchanged());
    EXPECT_EQ(answer(VIRTIO_BLK_T_IN, 0), kOk);  // nothing to read
    EXPECT_EQ(answer(VIRTIO_BLK_T_OUT, 0), kOk);
    EXPECT_EQ(answer(VIRTIO_BLK_T_IN, kSectors + 1), kIoError);
    EXPECT_EQ(engine_->count(IoOperation::kRead), 0U);
}

TEST_P(BlockTest, SaysItsIdAndWarnsOfOneThatIsCut) {
    testing::internal::CaptureStderr();
    create({.id = "a-name-of-more-than-twenty-bytes"});
    EXPECT_NE(testing::internal::GetCapturedStderr().find(
                  "drive a-name-of-more-than-twenty-bytes: the guest reads only the first 20 bytes "
                  "of its id: a-name-of-more-than-\n"),
              std::string::npos);
    start();
    const GuestAddress at = ram_.allocate(32);
    ram_.store(at + 20, kUntouched);
    EXPECT_EQ(answer(VIRTIO_BLK_T_GET_ID, 0, {{at, 20, Access::kWritable}}),
              (Answer{VIRTIO_BLK_S_OK, 21}));
    const auto id = get(at, 20);
    EXPECT_EQ(std::string(id.begin(), id.end()), "a-name-of-more-than-");
    EXPECT_EQ(ram_.load<uint8_t>(at + 20), kUntouched);
    EXPECT_EQ(answer(VIRTIO_BLK_T_GET_ID, 0, {{at, 19, Access::kWritable}}), kIoError);
    EXPECT_EQ(answer(VIRTIO_BLK_T_GET_ID, 0), kIoError);
}

TEST_P(BlockTest, AShortIdEndsWithZeroes) {
    testing::internal::CaptureStderr();
    start();
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    const GuestAddress at = put(std::vector<uint8_t>(20, kUntouched));
    EXPECT_EQ(answer(VIRTIO_BLK_T_GET_ID, 0, {{at, 20, Access::kWritable}}),
              (Answer{VIRTIO_BLK_S_OK, 21}));
    std::vector<uint8_t> expected{'d', 'i', 's', 'k', '0'};
    expected.resize(20);
    EXPECT_EQ(get(at, 20), expected);
}

TEST_P(BlockTest, UnknownTypesAreUnsupported) {
    start();
    const GuestAddress at = ram_.allocate(kSector);
    for (const uint32_t type : {2U, 3U, 5U, VIRTIO_BLK_T_GET_LIFETIME, VIRTIO_BLK_T_SECURE_ERASE,
                                0x80000000U, 0xffffffffU})
        EXPECT_EQ(answer(type, 0, {{at, kSector, Access::kWritable}}), kUnsupported) << type;
    EXPECT_FALSE(disk_->driver.needs_reset());
    expect_a_good_read();
}

// --- What disks do ------------------------------------------------------------------------------

TEST_P(BlockTest, ShortTransfersAreContinued) {
    start();
    engine_->most_bytes = 700;  // no multiple of a sector, nor of a segment
    const GuestAddress at = ram_.allocate(8 * kSector);
    const auto pieces = [&](Access access) {
        return std::vector<Piece>{{at, 512, access},
                                  {at + 512, 1536, access},
                                  {at + 2048, 1, access},
                                  {at + 2049, 2047, access}};
    };
    EXPECT_EQ(answer(VIRTIO_BLK_T_IN, 30, pieces(Access::kWritable)),
              (Answer{VIRTIO_BLK_S_OK, 8 * kSector + 1}));
    EXPECT_EQ(get(at, 8 * kSector), before(30, 8));
    EXPECT_EQ(engine_->count(IoOperation::kRead), 6U);
    EXPECT_EQ(answer(VIRTIO_BLK_T_OUT, 60, pieces(Access::kReadable)), kOk);
    EXPECT_EQ(in_file(60, 8), before(30, 8));
    EXPECT_EQ(in_file(68, 1), before(68, 1));
}

// Segments may lie on top of each other: a request is as long as a driver likes.
TEST_P(BlockTest, LongTransfersAreManyShortOnes) {
    constexpr uint64_t kMost = 4 << 20;
    constexpr uint32_t kPiece = 3 << 20;
    ASSERT_EQ(::ftruncate(file_.get(), 32 << 20), 0);
    start();
    std::vector<uint64_t> lengths;
    engine_->answer = [&](const IoRequest& request) -> std::optional<int32_t> {
        lengths.push_back(0);
        for (const iovec& vector : request.vectors) lengths.back() += vector.iov_len;
        return std::nullopt;
    };
    const GuestAddress at = ram_.allocate(kMost + kSector);
    const std::vector<Piece> pieces(5, {at, kPiece, Access::kWritable});
    EXPECT_EQ(answer(VIRTIO_BLK_T_IN, 0, pieces), (Answer{VIRTIO_BLK_S_OK, 5 * kPiece + 1}));
    EXPECT_EQ(std::accumulate(lengths.begin(), lengths.end(), uint64_t{0}), 5 * kPiece);
    EXPECT_LE(*std::ranges::max_element(lengths), kMost);
    // One segment that is too long by itself.
    lengths.clear();
    EXPECT_EQ(read(1, at, kMost + kSector), (Answer{VIRTIO_BLK_S_OK, kMost + kSector + 1}));
    EXPECT_EQ(lengths, (std::vector<uint64_t>{kMost, kSector}));
    EXPECT_EQ(get(at, (kSectors - 1) * kSector), before(1, kSectors - 1));
    EXPECT_EQ(write(kSectors, at, kMost + kSector), kOk);
    EXPECT_EQ(in_file(kSectors, kSectors - 1), before(1, kSectors - 1));
    EXPECT_LE(*std::ranges::max_element(lengths), kMost);
}

TEST_P(BlockTest, InterruptedTransfersAreContinued) {
    start();
    int interruptions = 0;
    engine_->answer = [&](const IoRequest&) -> std::optional<int32_t> {
        if (interruptions == 4) return {};
        return ++interruptions % 2 == 0 ? -EAGAIN : -EINTR;
    };
    expect_a_good_read();
    EXPECT_EQ(engine_->count(IoOperation::kRead), 5U);
}

TEST_P(BlockTest, AFileThatWasCutShortIsAnError) {
    start();
    ASSERT_EQ(::ftruncate(file_.get(), 100 * kSector), 0);
    const GuestAddress at = ram_.allocate(8 * kSector);
    EXPECT_EQ(read(200, at, kSector), kIoError);
    EXPECT_EQ(read(96, at, 8 * kSector), kIoError);  // half of it is there
    EXPECT_EQ(read(92, at, 8 * kSector), (Answer{VIRTIO_BLK_S_OK, 8 * kSector + 1}));
    EXPECT_FALSE(disk_->driver.needs_reset());
}

TEST_P(BlockTest, ErrorsOfTheDiskAreIoErrors) {
    start(kFlush | feature(VIRTIO_BLK_F_DISCARD));
    for (const int error : {EIO, ENOSPC, ECANCELED, EFAULT, EBADF}) {
        engine_->answer = [&](const IoRequest&) -> std::optional<int32_t> { return -error; };
        const GuestAddress at = ram_.allocate(kSector);
        EXPECT_EQ(read(0, at, kSector), kIoError) << error;
        EXPECT_EQ(write(0, at, kSector), kIoError) << error;
        EXPECT_EQ(answer(VIRTIO_BLK_T_FLUSH, 0), kIoError) << error;
        EXPECT_EQ(erase(VIRTIO_BLK_T_DISCARD, 0, 8), kIoError) << error;
    }
    engine_->answer = nullptr;
    expect_a_good_read();
}

INSTANTIATE_TEST_SUITE_P(Both, BlockTest, testing::Values(Kind::kRing, Kind::kPlain), kind_name);

}  // namespace
