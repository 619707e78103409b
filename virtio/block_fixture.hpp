// The fixture of the tests of virtio-block: a disk of which each byte is known, and the requests of
// a driver. Tests only; one thread.
#pragma once

#include <sys/stat.h>

#include <numeric>

#include "virtio/block.hpp"
#include "virtio/device_fixture.hpp"

inline constexpr uint64_t kSectors = 2048;
inline constexpr uint32_t kSector = 512;
inline constexpr uint64_t kFlush = feature(VIRTIO_BLK_F_FLUSH);
inline constexpr uint8_t kUntouched = 0xee;

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

inline void PrintTo(const Answer& answer, std::ostream* out) {
    *out << "status " << int{answer.status} << ", used.len " << answer.length;
}

inline constexpr Answer kOk{VIRTIO_BLK_S_OK, 1};
inline constexpr Answer kIoError{VIRTIO_BLK_S_IOERR, 0};
inline constexpr Answer kUnsupported{VIRTIO_BLK_S_UNSUPP, 0};

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
