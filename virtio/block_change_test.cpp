#include "base/record_lock.hpp"
#include "virtio/block_fixture.hpp"

namespace {

// --- Another disk, or another size --------------------------------------------------------------

class BlockChangeTest : public BlockTest {
protected:
    void SetUp() override {
        BlockTest::SetUp();
        other_path_ = testing::TempDir() + "block.XXXXXX";
        other_ = UniqueFd(::mkstemp(other_path_.data()));
        ASSERT_TRUE(other_);
        const auto fresh = other_content();
        ASSERT_EQ(::pwrite(other_.get(), fresh.data(), fresh.size(), 0),
                  static_cast<ssize_t>(fresh.size()));
    }
    void TearDown() override {
        BlockTest::TearDown();
        ::unlink(other_path_.c_str());
    }

    static constexpr uint64_t kOtherSectors = 4096;
    std::vector<uint8_t> other_content() const { return pattern(kOtherSectors * kSector); }

    Disk other_disk() const {
        return Disk::open(other_path_.c_str(), DiskAccess::kReadWrite).value();
    }
    uint64_t capacity() { return disk_->driver.read_config<virtio_blk_config>(0).capacity; }
    uint32_t generation() { return disk_->driver.read(MmioRegister::ConfigGeneration); }
    bool is_told_of_config() {
        return (disk_->driver.read(MmioRegister::InterruptStatus) & VIRTIO_MMIO_INT_CONFIG) != 0;
    }
    static bool is_locked(const std::string& path) {
        const UniqueFd one(::open(path.c_str(), O_RDWR | O_CLOEXEC));
        return set_record_lock(one.get(), RecordLock::kWrite) != 0;
    }

    // What a read of sector 1 gives.
    std::vector<uint8_t> sector_1() {
        const GuestAddress at = ram_.allocate(kSector);
        EXPECT_EQ(read(1, at, kSector), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
        return get(at, kSector);
    }

    std::string other_path_;
    UniqueFd other_;
};

TEST_P(BlockChangeTest, AnotherDiskIsThereAtOnceWhereNothingIsInFlight) {
    start();
    EXPECT_EQ(sector_1(), before(1, 1));
    const uint32_t generation_before = generation();
    ASSERT_TRUE(disk_->device->replace_disk(other_disk()).ok());
    EXPECT_TRUE(is_told_of_config());
    EXPECT_NE(generation(), generation_before);
    EXPECT_EQ(capacity(), kOtherSectors);
    EXPECT_EQ(disk_->device->metrics().update_count.value(), 1U);
    const auto fresh = other_content();
    EXPECT_TRUE(
        std::equal(fresh.begin() + kSector, fresh.begin() + 2 * kSector, sector_1().begin()));
    EXPECT_FALSE(is_locked(path_));
    EXPECT_TRUE(is_locked(other_path_));
    // Writes go there too, up to the new end and no further.
    const GuestAddress zeroes = ram_.allocate(kSector);
    EXPECT_EQ(write(kOtherSectors - 1, zeroes, kSector), kOk);
    EXPECT_EQ(write(kOtherSectors, zeroes, kSector), kIoError);
    EXPECT_TRUE(file_is_unchanged());
}

TEST_P(BlockChangeTest, AnotherDiskWaitsForTheRequestsInFlight) {
    start();
    engine_->holds = true;
    const GuestAddress at = ram_.allocate(2 * kSector);
    const Asked first = ask(VIRTIO_BLK_T_IN, 1, {{at, kSector, Access::kWritable}});
    run_until([&] { return engine_->held() == 1; });
    const uint32_t generation_before = generation();
    const std::string third = other_path_ + ".third";
    const UniqueFd file(::open(third.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    ASSERT_EQ(::ftruncate(file.get(), kSector), 0);
    ASSERT_TRUE(disk_->device->replace_disk(other_disk()).ok());
    EXPECT_EQ(disk_->device->replace_disk(Disk::open(third.c_str(), DiskAccess::kReadWrite).value())
                  .error()
                  .code,
              EBUSY);
    ::unlink(third.c_str());
    EXPECT_TRUE(disk_->device->is_changing_disk());
    const Asked second = ask(VIRTIO_BLK_T_IN, 1, {{at + kSector, kSector, Access::kWritable}});
    settle();
    EXPECT_EQ(engine_->count(IoOperation::kRead), 1U);
    EXPECT_EQ(generation(), generation_before);
    EXPECT_EQ(capacity(), kSectors);
    EXPECT_TRUE(is_locked(path_));
    engine_->holds = false;
    engine_->release();
    EXPECT_EQ(await(first), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
    EXPECT_FALSE(disk_->device->is_changing_disk());
    EXPECT_EQ(await(second), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
    EXPECT_EQ(get(at, kSector), before(1, 1));
    const auto fresh = other_content();
    EXPECT_EQ(get(at + kSector, kSector),
              std::vector<uint8_t>(fresh.begin() + kSector, fresh.begin() + 2 * kSector));
    EXPECT_EQ(capacity(), kOtherSectors);
    EXPECT_FALSE(is_locked(path_));
}

TEST_P(BlockChangeTest, AnotherDiskDoesNotWaitForADriver) {
    create();
    ASSERT_TRUE(disk_->device->replace_disk(other_disk()).ok());
    EXPECT_EQ(capacity(), kOtherSectors);
    start();
    const auto fresh = other_content();
    EXPECT_EQ(sector_1(),
              std::vector<uint8_t>(fresh.begin() + kSector, fresh.begin() + 2 * kSector));
}

// The driver leaves while the old disk still has its last request.
TEST_P(BlockChangeTest, AnotherDiskComesThroughAReset) {
    start();
    engine_->holds = true;
    const GuestAddress at = ram_.allocate(kSector);
    ask(VIRTIO_BLK_T_IN, 1, {{at, kSector, Access::kWritable}});
    run_until([&] { return engine_->held() == 1; });
    ASSERT_TRUE(disk_->device->replace_disk(other_disk()).ok());
    disk_->driver.write(MmioRegister::Status, 0);
    turn();
    engine_->holds = false;
    engine_->release();
    run_until([&] { return disk_->driver.status() == 0 && capacity() == kOtherSectors; });
    start();
    const auto fresh = other_content();
    EXPECT_EQ(sector_1(),
              std::vector<uint8_t>(fresh.begin() + kSector, fresh.begin() + 2 * kSector));
}

// As some clients keep a place for a drive that they do not have yet. What a driver may erase at
// once it reads only at the start; nothing would be no limit.
TEST_P(BlockChangeTest, AnEmptyDiskBecomesAnother) {
    ASSERT_EQ(::ftruncate(file_.get(), 0), 0);
    start();
    EXPECT_EQ(capacity(), 0U);
    const auto config = disk_->driver.read_config<virtio_blk_config>(0);
    EXPECT_EQ(config.max_discard_sectors, Block::kMostErasedSectors);
    EXPECT_EQ(config.max_write_zeroes_sectors, Block::kMostErasedSectors);
    const GuestAddress at = ram_.allocate(kSector);
    EXPECT_EQ(read(0, at, kSector), kIoError);
    EXPECT_EQ(write(0, at, kSector), kIoError);
    EXPECT_EQ(erase(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1), kIoError);
    ASSERT_TRUE(disk_->device->replace_disk(other_disk()).ok());
    EXPECT_EQ(capacity(), kOtherSectors);
    EXPECT_TRUE(is_told_of_config());
    const auto fresh = other_content();
    EXPECT_TRUE(
        std::equal(fresh.begin() + kSector, fresh.begin() + 2 * kSector, sector_1().begin()));
}

TEST_P(BlockChangeTest, ALargerFileIsALargerDisk) {
    start();
    ASSERT_EQ(::ftruncate(file_.get(), 2 * kSectors * kSector), 0);
    const GuestAddress at = ram_.allocate(kSector);
    EXPECT_EQ(read(kSectors, at, kSector), kIoError);
    const uint32_t generation_before = generation();
    disk_->device->resize(2 * kSectors * kSector);
    EXPECT_TRUE(is_told_of_config());
    EXPECT_NE(generation(), generation_before);
    const auto config = disk_->driver.read_config<virtio_blk_config>(0);
    EXPECT_EQ(config.capacity, 2 * kSectors);
    EXPECT_EQ(config.max_discard_sectors, Block::kMostErasedSectors);
    EXPECT_EQ(read(2 * kSectors - 1, at, kSector), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
    EXPECT_EQ(read(2 * kSectors, at, kSector), kIoError);
    EXPECT_EQ(disk_->device->metrics().update_count.value(), 1U);
}

TEST_P(BlockChangeTest, NothingIsBehindTheEndOfASmallerDisk) {
    start();
    const GuestAddress at = ram_.allocate(2 * kSector);
    EXPECT_EQ(read(kSectors - 1, at, kSector), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
    disk_->device->resize(kSectors / 2 * kSector);
    EXPECT_EQ(capacity(), kSectors / 2);
    EXPECT_EQ(read(kSectors - 1, at, kSector), kIoError);
    EXPECT_EQ(read(kSectors / 2, at, kSector), kIoError);
    EXPECT_EQ(read(kSectors / 2 - 1, at, 2 * kSector), kIoError);
    EXPECT_EQ(write(kSectors / 2, at, kSector), kIoError);
    EXPECT_EQ(read(kSectors / 2 - 1, at, kSector), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
    EXPECT_TRUE(file_is_unchanged());
}

TEST_P(BlockChangeTest, AnEngineThatCannotReplaceFilesBreaksNothing) {
    if (GetParam() == Kind::kPlain) GTEST_SKIP() << "it can";
    std::string why_not;
    engine_ = std::make_unique<ScriptedEngine>(create_engine(Kind::kRing, why_not));
    start();
    EXPECT_FALSE(disk_->device->replace_disk(other_disk()).ok());
    EXPECT_FALSE(disk_->driver.needs_reset());
    EXPECT_EQ(capacity(), kSectors);
    EXPECT_FALSE(is_locked(other_path_));
}

INSTANTIATE_TEST_SUITE_P(Both, BlockChangeTest, testing::Values(Kind::kRing, Kind::kPlain),
                         kind_name);

}  // namespace
