#include "virtio/block.hpp"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/loop.h>
#include <sys/stat.h>

#include <array>
#include <cstring>
#include <numeric>

#include "base/io_control.hpp"
#include "base/record_lock.hpp"
#include "virtio/device_fixture.hpp"

namespace {

constexpr uint64_t kSectors = 2048;
constexpr uint32_t kSector = 512;
constexpr uint64_t kFlush = feature(VIRTIO_BLK_F_FLUSH);
constexpr uint8_t kUntouched = 0xee;

// A request as a driver sees it.
struct Asked {
    uint16_t head = 0;
    GuestAddress status;
};

struct Answer {
    uint8_t status = 0;
    uint32_t length = 0;  // used.len

    bool operator==(const Answer&) const = default;
};

void PrintTo(const Answer& answer, std::ostream* out) {
    *out << "status " << int{answer.status} << ", used.len " << answer.length;
}

constexpr Answer kOk{VIRTIO_BLK_S_OK, 1};
constexpr Answer kIoError{VIRTIO_BLK_S_IOERR, 0};
constexpr Answer kUnsupported{VIRTIO_BLK_S_UNSUPP, 0};

class BlockTest : public DeviceTest {
protected:
    void SetUp() override {
        DeviceTest::SetUp();
        if (IsSkipped()) return;
        path_ = testing::TempDir() + "block.XXXXXX";
        file_ = UniqueFd(::mkstemp(path_.data()));
        ASSERT_TRUE(file_);
        content_.resize(kSectors * kSector);
        for (size_t i = 0; i < content_.size(); ++i)
            content_[i] = static_cast<uint8_t>(i * 7 + i / 509);
        ASSERT_EQ(::pwrite(file_.get(), content_.data(), content_.size(), 0),
                  static_cast<ssize_t>(content_.size()));
    }
    void TearDown() override {
        DeviceTest::TearDown();
        ::unlink(path_.c_str());
    }

    void create(const BlockConfig& config = {.id = "disk0"},
                DiskAccess access = DiskAccess::kReadWrite) {
        disk_ = plug(
            Block::create(Disk::open(path_.c_str(), access).value(), config, *engine_).value());
        ASSERT_TRUE(engine_->start().ok());
    }
    void start(uint64_t features = kFlush, uint16_t size = 256) {
        if (disk_ == nullptr) create();
        ASSERT_TRUE(disk_->driver.start(features, {size}));
    }
    FakeQueue& queue() { return disk_->driver.queue(0); }

    GuestAddress header(uint32_t type, uint64_t sector) {
        const GuestAddress at = ram_.allocate(sizeof(virtio_blk_req_header));
        ram_.store(at, virtio_blk_req_header{.type = type, .reserved = 0, .sector = sector});
        return at;
    }
    GuestAddress status_byte() {
        const GuestAddress at = ram_.allocate(1);
        ram_.store(at, kUntouched);
        return at;
    }

    // Lays a request out, not offered yet.
    Asked add(uint32_t type, uint64_t sector, const std::vector<Piece>& data = {}) {
        const GuestAddress status = status_byte();
        std::vector<Piece> pieces{{header(type, sector), sizeof(virtio_blk_req_header)}};
        pieces.insert(pieces.end(), data.begin(), data.end());
        pieces.push_back({status, 1, Access::kWritable});
        return {queue().add(pieces), status};
    }
    Asked ask(uint32_t type, uint64_t sector, const std::vector<Piece>& data = {}) {
        const Asked asked = add(type, sector, data);
        offer();
        return asked;
    }
    void offer() {
        if (queue().offer()) disk_->driver.kick(0);
    }

    Answer await(const Asked& asked) {
        std::optional<virtq_used_elem> used;
        run_until([&] { return (used = queue().take_used()).has_value(); });
        if (!used.has_value()) return {};
        EXPECT_EQ(used->id, asked.head);
        return {ram_.load<uint8_t>(asked.status), used->len};
    }
    Answer answer(uint32_t type, uint64_t sector, const std::vector<Piece>& data = {}) {
        return await(ask(type, sector, data));
    }

    Answer read(uint64_t sector, GuestAddress to, uint32_t length) {
        return answer(VIRTIO_BLK_T_IN, sector, {{to, length, Access::kWritable}});
    }
    Answer write(uint64_t sector, GuestAddress from, uint32_t length) {
        return answer(VIRTIO_BLK_T_OUT, sector, {{from, length}});
    }
    Answer erase(uint32_t type, uint64_t sector, uint32_t count, uint32_t flags = 0) {
        const GuestAddress at = ram_.allocate(sizeof(virtio_blk_discard_write_zeroes));
        ram_.store(at, virtio_blk_discard_write_zeroes{sector, count, flags});
        return answer(type, 0, {{at, sizeof(virtio_blk_discard_write_zeroes)}});
    }

    // What a good read of sector 1 gives.
    void expect_a_good_read() {
        const GuestAddress at = ram_.allocate(kSector);
        EXPECT_EQ(read(1, at, kSector), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
        EXPECT_EQ(get(at, kSector), before(1, 1));
    }

    // The file's sectors as they were at first.
    std::vector<uint8_t> before(uint64_t sector, uint64_t count) const {
        return {content_.begin() + static_cast<ptrdiff_t>(sector * kSector),
                content_.begin() + static_cast<ptrdiff_t>((sector + count) * kSector)};
    }
    std::vector<uint8_t> in_file(uint64_t sector, uint64_t count) const {
        std::vector<uint8_t> bytes(count * kSector);
        EXPECT_EQ(
            ::pread(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(sector * kSector)),
            static_cast<ssize_t>(bytes.size()));
        return bytes;
    }
    bool file_is_unchanged() const { return in_file(0, kSectors) == content_; }

    std::vector<uint8_t> pattern(size_t length) const {
        std::vector<uint8_t> bytes(length);
        std::iota(bytes.begin(), bytes.end(), uint8_t{3});
        return bytes;
    }

    std::string path_;
    UniqueFd file_;
    std::vector<uint8_t> content_;
    std::unique_ptr<Plugged<Block>> disk_;
};

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

// --- §2.7.4: how the driver cuts a request into descriptors means nothing -----------------------

TEST_P(BlockTest, HeaderDataAndStatusAreCutAnywhere) {
    start();
    const auto fresh = pattern(kSector);
    // Header and data of a write in one run of memory, cut at every odd place.
    for (const uint32_t cut : {1U, 7U, 15U, 16U, 17U, 100U}) {
        std::vector<uint8_t> bytes(sizeof(virtio_blk_req_header));
        const virtio_blk_req_header head{VIRTIO_BLK_T_OUT, 0, cut};
        std::memcpy(bytes.data(), &head, sizeof(head));
        bytes.insert(bytes.end(), fresh.begin(), fresh.end());
        const auto size = static_cast<uint32_t>(bytes.size());
        const GuestAddress at = put(bytes);
        const GuestAddress status = status_byte();
        const uint16_t chain =
            queue().add({{at, cut}, {at + cut, size - cut}, {status, 1, Access::kWritable}});
        offer();
        EXPECT_EQ(await({chain, status}), kOk) << cut;
        EXPECT_EQ(in_file(cut, 1), fresh) << cut;
    }
    // Data and status of a read in one run: the status is the last byte.
    const GuestAddress at = ram_.allocate(kSector + 1);
    const uint16_t whole =
        queue().add({{header(VIRTIO_BLK_T_IN, 200), 16}, {at, kSector + 1, Access::kWritable}});
    offer();
    EXPECT_EQ(await({whole, at + kSector}), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
    EXPECT_EQ(get(at, kSector), before(200, 1));
    const GuestAddress odd = ram_.allocate(kSector + 1);
    const uint16_t parts = queue().add({{header(VIRTIO_BLK_T_IN, 201), 16},
                                        {odd, 1, Access::kWritable},
                                        {odd + 1, 300, Access::kWritable},
                                        {odd + 301, kSector - 300, Access::kWritable}});
    offer();
    EXPECT_EQ(await({parts, odd + kSector}), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
    EXPECT_EQ(get(odd, kSector), before(201, 1));
}

TEST_P(BlockTest, AHeaderInSixteenDescriptors) {
    start();
    const GuestAddress head = header(VIRTIO_BLK_T_IN, 9);
    const GuestAddress at = ram_.allocate(kSector);
    const GuestAddress status = status_byte();
    std::vector<Piece> pieces;
    for (uint64_t i = 0; i < 16; ++i) pieces.push_back({head + i, 1});
    pieces.push_back({at, kSector, Access::kWritable});
    pieces.push_back({status, 1, Access::kWritable});
    const uint16_t chain = queue().add(pieces);
    offer();
    EXPECT_EQ(await({chain, status}), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
    EXPECT_EQ(get(at, kSector), before(9, 1));
}

TEST_P(BlockTest, AsManySegmentsAsItSays) {
    start();
    constexpr uint32_t kEach = 2 * kSector;
    static_assert(Block::kMaxSegments * kEach <= kSectors * kSector);
    const auto total = Block::kMaxSegments * kEach;
    const GuestAddress at = ram_.allocate(total);
    std::vector<Piece> data;
    for (uint64_t i = 0; i < Block::kMaxSegments; ++i)
        data.push_back({at + i * kEach, kEach, Access::kWritable});
    EXPECT_EQ(answer(VIRTIO_BLK_T_IN, 4, data), (Answer{VIRTIO_BLK_S_OK, total + 1}));
    EXPECT_EQ(get(at, total), before(4, total / kSector));
    // Back, each segment to where its opposite was.
    for (Piece& piece : data) piece.access = Access::kReadable;
    std::ranges::reverse(data);
    EXPECT_EQ(answer(VIRTIO_BLK_T_OUT, 4, data), kOk);
    EXPECT_EQ(in_file(4, 2), before(4 + 2 * (Block::kMaxSegments - 1), 2));
    EXPECT_EQ(in_file(4 + 2 * (Block::kMaxSegments - 1), 2), before(4, 2));
}

TEST_P(BlockTest, TakesIndirectChains) {
    start(kFlush | feature(VIRTIO_F_INDIRECT_DESC), 4);
    constexpr uint32_t kLength = 8 * kSector;
    const GuestAddress at = ram_.allocate(kLength);
    for (int i = 0; i < 3; ++i) {
        const GuestAddress status = status_byte();
        const std::vector<Piece> pieces{{header(VIRTIO_BLK_T_IN, 77), 16},
                                        {at, kLength - 100, Access::kWritable},
                                        {at + (kLength - 100), 100, Access::kWritable},
                                        {status, 1, Access::kWritable}};
        const uint16_t head = queue().add_indirect(pieces);
        offer();
        EXPECT_EQ(await({head, status}), (Answer{VIRTIO_BLK_S_OK, kLength + 1}));
        EXPECT_EQ(get(at, kLength), before(77, 8));
    }
}

TEST_P(BlockTest, AChainWithoutRoomForHeaderOrStatusFailsTheDevice) {
    create();
    const auto expect_failure = [&](std::initializer_list<Piece> pieces) {
        start();
        queue().add(pieces);
        offer();
        turn();
        EXPECT_TRUE(disk_->driver.needs_reset());
        EXPECT_EQ(queue().used_idx(), 0);
        disk_->driver.write(MmioRegister::Status, 0);
        turn();
        ASSERT_EQ(disk_->driver.status(), 0);
    };
    const GuestAddress status = status_byte();
    expect_failure({{header(VIRTIO_BLK_T_FLUSH, 0), 15}, {status, 1, Access::kWritable}});
    expect_failure({{header(VIRTIO_BLK_T_FLUSH, 0), 16}});
    expect_failure({{status, 1, Access::kWritable}});
    EXPECT_EQ(ram_.load<uint8_t>(status), kUntouched);
    start();
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

// --- Batches and notifications ------------------------------------------------------------------

TEST_P(BlockTest, ABatchIsOneInterrupt) {
    start();
    disk_->interrupts();
    const GuestAddress at = ram_.allocate(32 * kSector);
    engine_->holds = true;
    std::vector<Asked> asked;
    for (uint64_t i = 0; i < 32; ++i)
        asked.push_back(
            add(VIRTIO_BLK_T_IN, 2 * i, {{at + i * kSector, kSector, Access::kWritable}}));
    offer();
    run_until([&] { return engine_->held() == 32; });
    EXPECT_EQ(queue().used_idx(), 0);
    engine_->release();
    ASSERT_EQ(engine_->wait(0).value(), 32U);
    EXPECT_EQ(queue().used_idx(), 0);  // not one by one
    EXPECT_TRUE(disk_->device->work(now_ns_));
    EXPECT_EQ(queue().used_idx(), 32);
    EXPECT_EQ(disk_->interrupts(), 1U);
    engine_->holds = false;
    for (uint64_t i = 0; i < 32; ++i) {
        EXPECT_EQ(ram_.load<uint8_t>(asked[i].status), VIRTIO_BLK_S_OK);
        EXPECT_EQ(get(at + i * kSector, kSector), before(2 * i, 1)) << i;
    }
}

TEST_P(BlockTest, RequestsWithoutIoAreOneInterruptToo) {
    start();
    disk_->interrupts();
    for (int i = 0; i < 8; ++i) add(0xabcd, 0);
    offer();
    turn();
    EXPECT_EQ(queue().used_idx(), 8);
    EXPECT_EQ(disk_->interrupts(), 1U);
}

TEST_P(BlockTest, EventIdxSuppressesInterruptsAndKicks) {
    start(kFlush | feature(VIRTIO_F_EVENT_IDX));
    settle();
    disk_->interrupts();
    // The driver wants to hear of the third only.
    queue().set_used_event(2);
    for (uint16_t i = 1; i <= 3; ++i) {
        add(0xabcd, 0);
        EXPECT_TRUE(queue().offer());  // the device is about to wait
        disk_->driver.kick(0);
        settle();
        ASSERT_EQ(queue().used_idx(), i);
        EXPECT_EQ(disk_->interrupts(), i == 3 ? 1U : 0U) << i;
    }
    // The device is awake from the first kick until it waits.
    add(0xabcd, 0);
    EXPECT_TRUE(queue().offer());
    turn();
    add(0xabcd, 0);
    EXPECT_FALSE(queue().offer());
    EXPECT_TRUE(before_wait());  // but it looks before it waits
}

TEST_P(BlockTest, ADriverThatWantsNoInterruptsHasNone) {
    start();
    settle();
    disk_->interrupts();
    queue().set_avail_flags(VIRTQ_AVAIL_F_NO_INTERRUPT);
    expect_a_good_read();
    EXPECT_EQ(disk_->interrupts(), 0U);
    queue().set_avail_flags(0);
    expect_a_good_read();
    EXPECT_EQ(disk_->interrupts(), 1U);
}

TEST_P(BlockTest, KicksAreAskedForOnlyBeforeAWait) {
    start();
    settle();
    EXPECT_EQ(queue().used_flags(), 0);
    turn();
    EXPECT_EQ(queue().used_flags(), VIRTQ_USED_F_NO_NOTIFY);
    EXPECT_FALSE(before_wait());
    EXPECT_EQ(queue().used_flags(), 0);
}

TEST_P(BlockTest, MoreRequestsThanTheRingHasEntries) {
    start(kFlush | feature(VIRTIO_F_INDIRECT_DESC));
    const GuestAddress at = ram_.allocate(256 * kSector);
    std::vector<GuestAddress> statuses;
    for (uint64_t i = 0; i < 256; ++i) {
        statuses.push_back(status_byte());
        queue().add_indirect({{header(VIRTIO_BLK_T_IN, i), 16},
                              {at + i * kSector, kSector, Access::kWritable},
                              {statuses.back(), 1, Access::kWritable}});
    }
    offer();
    run_until([&] { return queue().used_idx() == 256; });
    EXPECT_EQ(get(at, 256 * kSector), before(0, 256));
    for (const GuestAddress status : statuses)
        EXPECT_EQ(ram_.load<uint8_t>(status), VIRTIO_BLK_S_OK);
}

// --- Resets -------------------------------------------------------------------------------------

TEST_P(BlockTest, AResetWaitsForWhatIsInFlight) {
    start();
    engine_->holds = true;
    const GuestAddress at = ram_.allocate(kSector);
    const Asked asked = ask(VIRTIO_BLK_T_IN, 1, {{at, kSector, Access::kWritable}});
    run_until([&] { return engine_->held() == 1; });
    disk_->driver.write(MmioRegister::Status, 0);
    for (int i = 0; i < 5; ++i) turn();
    EXPECT_NE(disk_->driver.status(), 0);
    EXPECT_TRUE(disk_->device->is_in_flight());
    EXPECT_EQ(engine_->cancels(), 1U);
    engine_->holds = false;
    engine_->release();
    turn();
    EXPECT_EQ(disk_->driver.status(), 0);
    EXPECT_FALSE(disk_->device->is_in_flight());
    // Nothing of the old driver's was written.
    EXPECT_EQ(ram_.load<uint8_t>(asked.status), kUntouched);
    EXPECT_EQ(queue().used_idx(), 0);
    start();
    expect_a_good_read();
}

TEST_P(BlockTest, AQueueResetWaitsForWhatIsInFlight) {
    start(kFlush | feature(VIRTIO_F_RING_RESET));
    engine_->holds = true;
    const GuestAddress at = ram_.allocate(2 * kSector);
    ask(VIRTIO_BLK_T_IN, 1, {{at, kSector, Access::kWritable}});
    ask(VIRTIO_BLK_T_OUT, 2, {{at + kSector, kSector}});
    run_until([&] { return engine_->held() == 2; });
    FakeDriver& driver = disk_->driver;
    driver.write(MmioRegister::QueueSel, 0);
    driver.write(MmioRegister::QueueReset, 1);
    turn();
    EXPECT_EQ(driver.read(MmioRegister::QueueReset), 1U);
    engine_->holds = false;
    engine_->release();
    turn();
    EXPECT_EQ(driver.read(MmioRegister::QueueReset), 0U);
    EXPECT_EQ(queue().used_idx(), 0);

    FakeQueue again(ram_, 8, 0);
    ASSERT_TRUE(driver.set_up_queue(0, again.layout()));
    const GuestAddress status = status_byte();
    again.add({{header(VIRTIO_BLK_T_FLUSH, 0), 16}, {status, 1, Access::kWritable}});
    again.offer();
    run_until([&] { return again.take_used().has_value(); });
    EXPECT_EQ(ram_.load<uint8_t>(status), VIRTIO_BLK_S_OK);
}

TEST_P(BlockTest, AFailedDeviceWaitsForWhatIsInFlightToo) {
    start();
    engine_->holds = true;
    const GuestAddress at = ram_.allocate(kSector);
    const Asked asked = ask(VIRTIO_BLK_T_IN, 1, {{at, kSector, Access::kWritable}});
    run_until([&] { return engine_->held() == 1; });
    queue().set_avail_idx(5000);
    turn();
    EXPECT_TRUE(disk_->driver.needs_reset());
    disk_->driver.write(MmioRegister::Status, 0);
    turn();
    EXPECT_NE(disk_->driver.status(), 0);
    engine_->holds = false;
    engine_->release();
    turn();
    EXPECT_EQ(disk_->driver.status(), 0);
    EXPECT_EQ(ram_.load<uint8_t>(asked.status), kUntouched);
    start();
    expect_a_good_read();
}

TEST_P(BlockTest, NothingFollowsAStoppedWrite) {
    start(0);  // each write is followed by a sync
    engine_->holds = true;
    const GuestAddress at = ram_.allocate(kSector);
    ask(VIRTIO_BLK_T_OUT, 1, {{at, kSector}});
    run_until([&] { return engine_->held() == 1; });
    disk_->driver.write(MmioRegister::Status, 0);
    turn();
    engine_->holds = false;
    engine_->release();
    turn();
    EXPECT_EQ(disk_->driver.status(), 0);
    EXPECT_EQ(engine_->count(IoOperation::kFdatasync), 0U);
    EXPECT_EQ(engine_->in_flight(), 0U);
}

TEST_P(BlockTest, LateCompletionsAreIgnored) {
    start();
    expect_a_good_read();
    const IoTag late = engine_->latest();
    // Its slot is free, then taken again, then in use by another.
    engine_->inject(late, kSector);
    turn();
    EXPECT_FALSE(disk_->device->is_in_flight());
    engine_->holds = true;
    const GuestAddress at = ram_.allocate(kSector);
    const Asked asked = ask(VIRTIO_BLK_T_IN, 1, {{at, kSector, Access::kWritable}});
    run_until([&] { return engine_->held() == 1; });
    EXPECT_EQ(engine_->latest().slot, late.slot);
    engine_->inject(late, kSector);
    engine_->inject({late.target, 4711, late.generation}, kSector);
    turn();
    EXPECT_TRUE(disk_->device->is_in_flight());
    EXPECT_EQ(ram_.load<uint8_t>(asked.status), kUntouched);
    engine_->holds = false;
    engine_->release();
    EXPECT_EQ(await(asked), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
}

TEST_P(BlockTest, WindsDown) {
    start();
    engine_->holds = true;
    const GuestAddress at = ram_.allocate(kSector);
    for (uint64_t i = 0; i < 5; ++i) ask(VIRTIO_BLK_T_IN, i, {{at, kSector, Access::kWritable}});
    run_until([&] { return engine_->held() == 5; });
    EXPECT_TRUE(disk_->device->is_in_flight());
    disk_->device->wind_down();
    EXPECT_EQ(engine_->cancels(), 5U);
    engine_->holds = false;
    engine_->release();
    ASSERT_TRUE(engine_->wait(0).ok());
    EXPECT_FALSE(disk_->device->is_in_flight());
}

// --- Metrics ------------------------------------------------------------------------------------

TEST_P(BlockTest, CountsWhatSucceeds) {
    start();
    const BlockMetrics& metrics = disk_->device->metrics();
    const GuestAddress at = ram_.allocate(8 * kSector);
    read(3, at, 8 * kSector);
    read(5, at, kSector);
    EXPECT_EQ(metrics.read_count.value(), 2U);
    EXPECT_EQ(metrics.read_bytes.value(), 9 * kSector);
    EXPECT_EQ(metrics.write_count.value(), 0U);
    engine_->most_bytes = 700;
    write(7, at, 4 * kSector);
    EXPECT_EQ(metrics.write_count.value(), 1U);
    EXPECT_EQ(metrics.write_bytes.value(), 4 * kSector);
    EXPECT_EQ(metrics.flush_count.value(), 0U);
    answer(VIRTIO_BLK_T_FLUSH, 0);
    EXPECT_EQ(metrics.flush_count.value(), 1U);
    EXPECT_EQ(metrics.write_count.value(), 1U);
    EXPECT_EQ(metrics.execute_fails.value() + metrics.invalid_reqs_count.value(), 0U);
    EXPECT_EQ(metrics.event_fails.value(), 0U);
    EXPECT_EQ(disk_->transport->metrics().triggers.value(), 4U);
}

TEST_P(BlockTest, ASyncThatAWriteNeedsIsNoFlush) {
    start(0);
    write(7, ram_.allocate(kSector), kSector);
    EXPECT_EQ(engine_->count(IoOperation::kFdatasync), 1U);
    EXPECT_EQ(disk_->device->metrics().flush_count.value(), 0U);
    EXPECT_EQ(disk_->device->metrics().write_count.value(), 1U);
}

TEST_P(BlockTest, CountsWhatFails) {
    start();
    const BlockMetrics& metrics = disk_->device->metrics();
    const GuestAddress at = ram_.allocate(kSector);
    read(kSectors, at, kSector);
    engine_->answer = [](const IoRequest&) -> std::optional<int32_t> { return -EIO; };
    write(0, at, kSector);
    EXPECT_EQ(metrics.execute_fails.value(), 2U);
    answer(77, 0, {{at, kSector, Access::kWritable}});
    EXPECT_EQ(metrics.invalid_reqs_count.value(), 1U);
    int refusals = 2;
    engine_->answer = [&](const IoRequest&) -> std::optional<int32_t> {
        return refusals-- > 0 ? std::optional(-EAGAIN) : std::nullopt;
    };
    read(0, at, kSector);
    EXPECT_EQ(metrics.io_engine_throttled_events.value(), 2U);
    EXPECT_EQ(metrics.read_count.value(), 1U);
    EXPECT_EQ(metrics.write_count.value(), 0U);
    EXPECT_EQ(metrics.write_bytes.value(), 0U);

    queue().add({{at, kSector}});
    offer();
    turn();
    EXPECT_TRUE(disk_->driver.needs_reset());
    EXPECT_EQ(metrics.event_fails.value(), 1U);
    EXPECT_EQ(disk_->transport->metrics().config_updates.value(), 1U);
}

TEST_P(BlockTest, CountsKicksAndThoseInVain) {
    start();
    settle();
    const BlockMetrics& metrics = disk_->device->metrics();
    const uint64_t kicks = metrics.queue_event_count.value();
    const uint64_t in_vain = metrics.no_avail_buffer.value();
    for (int i = 0; i < 5; ++i) turn();  // it looks by itself, and finds nothing
    EXPECT_EQ(metrics.no_avail_buffer.value(), in_vain);
    disk_->driver.kick(0);
    turn();
    turn();
    EXPECT_EQ(metrics.queue_event_count.value(), kicks + 1);
    EXPECT_EQ(metrics.no_avail_buffer.value(), in_vain + 1);
    settle();  // wants kicks again
    ask(VIRTIO_BLK_T_FLUSH, 0);
    turn();
    EXPECT_EQ(metrics.queue_event_count.value(), kicks + 2);
    EXPECT_EQ(metrics.no_avail_buffer.value(), in_vain + 1);
}

// A guest that breaks its device again and again fills nobody's log.
TEST_P(BlockTest, ComplaintsAreFew) {
    create();
    testing::internal::CaptureStderr();
    for (int i = 0; i < 100; ++i) {
        start();
        queue().add({{status_byte(), 1, Access::kWritable}});
        offer();
        turn();
        disk_->driver.write(MmioRegister::Status, 0);
        turn();
    }
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_EQ(std::ranges::count(log, '\n'), int{LogLimit::kLines}) << log;
    EXPECT_EQ(disk_->device->metrics().event_fails.value(), 100U);
}

// --- Rate limits, on an artificial clock --------------------------------------------------------

class BlockLimitTest : public BlockTest {
protected:
    // A driver that always has requests waiting: how many are answered up to `end_ns`.
    uint64_t answered_until(uint64_t end_ns, uint32_t length) {
        const GuestAddress at = ram_.allocate(length);
        uint64_t answered = 0;
        while (now_ns_ < end_ns) {
            // All that may begin now, and is answered.
            run_until([&] {
                while (queue().take_used().has_value()) ++answered;
                while (queue().free_descriptors() >= 3) reuse(at, length);
                offer();
                turn();
                return deadline_ns() != IoWorker::kNever && !disk_->device->is_in_flight();
            });
            turn();  // publishes
            EXPECT_FALSE(turn());
            EXPECT_FALSE(before_wait());
            EXPECT_GT(deadline_ns(), now_ns_);
            now_ns_ = deadline_ns();
        }
        return answered;
    }

    void reuse(GuestAddress at, uint32_t length) {
        if (header_.value == 0) {
            header_ = header(VIRTIO_BLK_T_IN, 0);
            status_ = status_byte();
        }
        queue().add(
            {{header_, 16}, {at, length, Access::kWritable}, {status_, 1, Access::kWritable}});
    }

    GuestAddress header_{};
    GuestAddress status_{};
};

TEST_P(BlockLimitTest, BytesAreAsConfigured) {
    constexpr uint64_t kRate = 4 << 20;
    create({.id = "disk0", .limits = {.bandwidth = {kRate, 0, 1000}, .ops = {}}});
    start(kFlush, 16);
    answered_until(now_ns_ + 10 * kMillisecond, 4096);  // spends the first second's worth
    const uint64_t begun = now_ns_;
    const uint64_t bytes = answered_until(begun + kSecond, 4096) * 4096;
    EXPECT_NEAR(static_cast<double>(bytes), kRate, 0.05 * kRate);
}

// A range is charged, and not the sixteen bytes that name it.
TEST_P(BlockLimitTest, ErasedBytesAreAsConfigured) {
    constexpr uint32_t kErased = kSectors * kSector;
    for (const uint32_t type : {VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES}) {
        if (disk_ == nullptr)
            create({.id = "disk0", .limits = {.bandwidth = {kErased, 0, 1000}, .ops = {}}});
        start(kFlush | feature(VIRTIO_BLK_F_DISCARD) | feature(VIRTIO_BLK_F_WRITE_ZEROES));
        engine_->answer = [](const IoRequest&) -> std::optional<int32_t> { return 0; };
        // What erases nothing costs what it is long.
        for (int i = 0; i < 3; ++i) EXPECT_EQ(erase(type, 1, kSectors), kIoError);
        now_ns_ += kSecond;
        EXPECT_EQ(erase(type, 0, kSectors), kOk);
        const Asked next = ask(VIRTIO_BLK_T_IN, 0, {{put(before(0, 8)), 4096, Access::kWritable}});
        settle();
        EXPECT_EQ(ram_.load<uint8_t>(next.status), kUntouched);
        EXPECT_GE(deadline_ns(), now_ns_ + 4096 * kSecond / kErased);
        disk_->driver.write(MmioRegister::Status, 0);
        turn();
        now_ns_ += 2 * kSecond;  // full again
    }
}

TEST_P(BlockLimitTest, OperationsAreAsConfigured) {
    create({.id = "disk0", .limits = {.bandwidth = {}, .ops = {500, 0, 1000}}});
    start(kFlush, 16);
    answered_until(now_ns_ + 10 * kMillisecond, kSector);
    const uint64_t operations = answered_until(now_ns_ + kSecond, kSector);
    EXPECT_NEAR(static_cast<double>(operations), 500, 25);
}

TEST_P(BlockLimitTest, LimitsChangeWhileItRuns) {
    create({.id = "disk0", .limits = {.bandwidth = {}, .ops = {1, 0, 3'600'000}}});
    start();
    expect_a_good_read();
    const GuestAddress at = ram_.allocate(kSector);
    const Asked asked = ask(VIRTIO_BLK_T_IN, 1, {{at, kSector, Access::kWritable}});
    settle();
    EXPECT_EQ(engine_->count(IoOperation::kRead), 1U);
    EXPECT_EQ(deadline_ns(), now_ns_ + 3600 * kSecond);
    // Slower is as slow at once, faster is as fast at once.
    disk_->device->change_limits({.bandwidth = {}, .ops = {1, 0, 7'200'000}}, now_ns_);
    EXPECT_EQ(deadline_ns(), IoWorker::kNever);
    settle();
    EXPECT_EQ(deadline_ns(), now_ns_ + 7200 * kSecond);
    disk_->device->change_limits({}, now_ns_);
    EXPECT_EQ(await(asked), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
    EXPECT_EQ(deadline_ns(), IoWorker::kNever);
    expect_a_good_read();
}

TEST_P(BlockLimitTest, IsCounted) {
    create({.id = "disk0", .limits = {.bandwidth = {}, .ops = {1, 0, 1000}}});
    start();
    const BlockMetrics& metrics = disk_->device->metrics();
    expect_a_good_read();
    EXPECT_EQ(metrics.rate_limiter_throttled_events.value(), 0U);
    const Asked asked = ask(VIRTIO_BLK_T_FLUSH, 0);
    settle();
    EXPECT_EQ(metrics.rate_limiter_throttled_events.value(), 1U);
    EXPECT_EQ(metrics.rate_limiter_event_count.value(), 0U);
    now_ns_ = deadline_ns();
    EXPECT_EQ(await(asked), kOk);
    EXPECT_EQ(metrics.rate_limiter_throttled_events.value(), 1U);
    EXPECT_EQ(metrics.rate_limiter_event_count.value(), 1U);
    EXPECT_EQ(metrics.update_count.value(), 0U);
    disk_->device->change_limits({}, now_ns_);
    EXPECT_EQ(metrics.update_count.value(), 1U);
}

TEST_P(BlockLimitTest, AResetForgetsTheWaitAndNotTheLimit) {
    create({.id = "disk0", .limits = {.bandwidth = {}, .ops = {1, 0, 3'600'000}}});
    start();
    expect_a_good_read();
    ask(VIRTIO_BLK_T_FLUSH, 0);
    settle();
    EXPECT_NE(deadline_ns(), IoWorker::kNever);
    disk_->driver.write(MmioRegister::Status, 0);
    turn();
    EXPECT_EQ(disk_->driver.status(), 0);
    EXPECT_EQ(deadline_ns(), IoWorker::kNever);
    start();
    const Asked asked = ask(VIRTIO_BLK_T_FLUSH, 0);
    settle();
    EXPECT_EQ(ram_.load<uint8_t>(asked.status), kUntouched);
    now_ns_ = deadline_ns();
    EXPECT_EQ(await(asked), kOk);
}

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

INSTANTIATE_TEST_SUITE_P(Both, BlockTest, testing::Values(Kind::kRing, Kind::kPlain), kind_name);
INSTANTIATE_TEST_SUITE_P(Both, BlockChangeTest, testing::Values(Kind::kRing, Kind::kPlain),
                         kind_name);
INSTANTIATE_TEST_SUITE_P(Both, BlockSectorTest, testing::Values(Kind::kRing, Kind::kPlain),
                         kind_name);
INSTANTIATE_TEST_SUITE_P(Both, BlockLimitTest, testing::Values(Kind::kRing, Kind::kPlain),
                         kind_name);

}  // namespace
