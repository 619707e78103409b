// Drivers that mean harm. A disk and a NIC share guest RAM and an engine; whatever is done to the
// one, it ends in DEVICE_NEEDS_RESET or in an error status, the other answers a request, and after
// a reset the first does, too.
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <functional>
#include <random>
#include <thread>

#include "virtio/block.hpp"
#include "virtio/device_fixture.hpp"
#include "virtio/net.hpp"

namespace {

using R = MmioRegister;

constexpr uint32_t kSector = 512;
constexpr uint8_t kUntouched = 0xee;
constexpr uint64_t kFeatures =
    feature(VIRTIO_BLK_F_FLUSH) | feature(VIRTIO_F_INDIRECT_DESC) | feature(VIRTIO_F_RING_RESET);

class HostileTest : public DeviceTest {
protected:
    static constexpr uint16_t kSize = 16;

    void SetUp() override {
        DeviceTest::SetUp();
        if (IsSkipped()) return;
        file_ = UniqueFd(::memfd_create("disk", MFD_CLOEXEC));
        ASSERT_EQ(::ftruncate(file_.get(), 1 << 20), 0);
        const std::string path = "/proc/self/fd/" + std::to_string(file_.get());
        Disk disk = Disk::open(path.c_str(), DiskAccess::kReadWrite).value();
        disk_ = plug(Block::create(std::move(disk), {.id = "disk0"}, *engine_).value());
        std::array<int, 2> ends{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()), 0);
        host_ = UniqueFd(ends[1]);
        nic_ =
            plug(Net::create(Tap::of(UniqueFd(ends[0]), 1518), {.id = "net0"}, *engine_).value());
        ASSERT_TRUE(engine_->start().ok());
        start();
        header_ = ram_.allocate(sizeof(virtio_blk_req_header));
        data_ = ram_.allocate(4096);
        status_ = ram_.allocate(1);
    }

    void start() {
        start(disk_->driver);
        start(nic_->driver);
    }
    void start(FakeDriver& driver) {
        if (&driver == &disk_->driver) {
            ASSERT_TRUE(driver.start(kFeatures, {kSize}));
        } else {
            ASSERT_TRUE(driver.start(kFeatures & driver.device_features(), {kSize, kSize}));
        }
    }
    void reset(FakeDriver& driver) {
        driver.write(R::Status, 0);
        run_until([&] { return driver.status() == 0; });
    }

    // A chain that the disk would serve: a read of one sector.
    std::array<virtq_desc, 3> good_read() {
        ram_.store(header_, virtio_blk_req_header{VIRTIO_BLK_T_IN, 0, 0});
        ram_.store(status_, kUntouched);
        return {{{header_.value, 16, VIRTQ_DESC_F_NEXT, 1},
                 {data_.value, kSector, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2},
                 {status_.value, 1, VIRTQ_DESC_F_WRITE, 0}}};
    }

    void expect_the_disk_serves() {
        const auto chain = good_read();
        disk_->driver.submit(0, {{{chain[0].addr}, 16},
                                 {{chain[1].addr}, kSector, Access::kWritable},
                                 {{chain[2].addr}, 1, Access::kWritable}});
        run_until([&] { return disk_->driver.queue(0).take_used().has_value(); });
        EXPECT_EQ(ram_.load<uint8_t>(status_), VIRTIO_BLK_S_OK);
    }
    void expect_the_nic_serves() {
        nic_->driver.submit(1, {{data_, 64}});
        run_until([&] { return nic_->driver.queue(1).take_used().has_value(); });
        std::array<char, 128> frame{};
        EXPECT_EQ(::recv(host_.get(), frame.data(), frame.size(), MSG_DONTWAIT), 64);
    }

    // Harm to the one, and then what there must be of both.
    void expect_failure(FakeDriver& driver, const std::function<void()>& harm) {
        harm();
        for (uint16_t queue = 0; queue < 2; ++queue) driver.kick(queue);
        settle();
        EXPECT_TRUE(driver.needs_reset());
        EXPECT_NE(driver.read(R::InterruptStatus) & VIRTIO_MMIO_INT_CONFIG, 0U);
        expect_the_other_serves(driver);
        expect_recovery(driver);
    }
    void expect_the_other_serves(const FakeDriver& driver) {
        if (&driver == &disk_->driver) {
            expect_the_nic_serves();
        } else {
            expect_the_disk_serves();
        }
    }
    void expect_recovery(FakeDriver& driver) {
        reset(driver);
        start(driver);
        expect_the_disk_serves();
        expect_the_nic_serves();
    }

    // To each queue of each device.
    void expect_failure_everywhere(const std::function<void(FakeQueue&)>& harm) {
        expect_failure(disk_->driver, [&] { harm(disk_->driver.queue(0)); });
        for (const uint16_t queue : {uint16_t{0}, uint16_t{1}})
            expect_failure(nic_->driver, [&] { harm(nic_->driver.queue(queue)); });
    }

    UniqueFd file_, host_;
    std::unique_ptr<Plugged<Block>> disk_;
    std::unique_ptr<Plugged<Net>> nic_;
    GuestAddress header_{}, data_{}, status_{};
};

TEST_P(HostileTest, ChainsThatAreNone) {
    const uint64_t ram = kRam;
    const std::vector<std::vector<virtq_desc>> chains = {
        {{data_.value, 16, VIRTQ_DESC_F_NEXT, 0}},  // a loop
        {{data_.value, 16, VIRTQ_DESC_F_NEXT, 1}, {data_.value, 16, VIRTQ_DESC_F_NEXT, 0}},
        {{data_.value, 16, VIRTQ_DESC_F_NEXT, kSize}},  // no such one
        {{data_.value, 16, VIRTQ_DESC_F_NEXT, 0xffff}},
        {{data_.value, 0, 0, 0}},  // empty
        {{ram, 16, 0, 0}},         // wild
        {{ram - 8, 16, 0, 0}},
        {{~uint64_t{0}, 16, VIRTQ_DESC_F_WRITE, 0}},
        {{~uint64_t{0} - 15, 16, 0, 0}},
        {{data_.value, 0xffffffff, 0, 0}},
        {{data_.value, 16, VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT, 1}, {data_.value, 16, 0, 0}},
        {{data_.value, 16, VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_NEXT, 1}},  // tables
        {{data_.value, 15, VIRTQ_DESC_F_INDIRECT, 0}},
        {{data_.value, 0, VIRTQ_DESC_F_INDIRECT, 0}},
        {{ram - 16, 32, VIRTQ_DESC_F_INDIRECT, 0}},
        {{data_.value, 4096, VIRTQ_DESC_F_INDIRECT, 0}},  // of nested and empty entries
    };
    for (size_t i = 0; i < chains.size(); ++i) {
        SCOPED_TRACE(i);
        for (uint64_t entry = 0; entry < 256; ++entry)
            ram_.store(data_ + 16 * entry, virtq_desc{data_.value, 4096, VIRTQ_DESC_F_INDIRECT, 0});
        expect_failure_everywhere([&](FakeQueue& queue) {
            for (uint16_t j = 0; j < chains[i].size(); ++j) queue.set_desc(j, chains[i][j]);
            queue.offer_raw(0);
        });
    }
}

TEST_P(HostileTest, IndicesThatJump) {
    for (const uint32_t ahead : {kSize + 1U, 0x7fffU, 0x8000U, 0xffffU})
        expect_failure_everywhere([&](FakeQueue& queue) {
            queue.set_avail_idx(static_cast<uint16_t>(queue.avail_idx() + ahead));
        });
    for (const uint16_t head : {kSize, uint16_t{0x8000}, uint16_t{0xffff}})
        expect_failure_everywhere([&](FakeQueue& queue) { queue.offer_raw(head); });
}

TEST_P(HostileTest, AChainThatIsOfferedTwice) {
    engine_->holds = true;
    const auto chain = good_read();
    FakeQueue& queue = disk_->driver.queue(0);
    for (uint16_t i = 0; i < 3; ++i) queue.set_desc(i, chain[i]);
    queue.offer_raw(0);
    queue.offer_raw(0);
    disk_->driver.kick(0);
    settle();
    EXPECT_TRUE(disk_->driver.needs_reset());
    engine_->holds = false;
    engine_->release();
    expect_the_nic_serves();
    expect_recovery(disk_->driver);
    EXPECT_EQ(queue.used_idx(), 1);  // of the good driver's
}

// Overlap harms nobody but the driver.
TEST_P(HostileTest, DescriptorsThatOverlap) {
    const auto chain = good_read();
    // Data over the header, the descriptor table and the rings; the status byte within the data.
    const VirtqueueLayout layout = disk_->driver.queue(0).layout();
    for (const GuestAddress target : {header_, layout.desc, layout.driver, layout.device}) {
        FakeQueue& queue = disk_->driver.queue(0);
        queue.set_desc(0, chain[0]);
        queue.set_desc(1, {target.value, kSector, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2});
        queue.set_desc(2, {target.value + 100, 1, VIRTQ_DESC_F_WRITE, 0});
        queue.offer_raw(0);
        disk_->driver.kick(0);
        run_until([&] { return engine_->in_flight() == 0; });
        settle();
        expect_the_nic_serves();
        expect_recovery(disk_->driver);
        good_read();
    }
}

TEST_P(HostileTest, QueuesOfNoSize) {
    for (FakeDriver* const driver : {&disk_->driver, &nic_->driver}) {
        for (const uint32_t size : {0U, 3U, 512U, 32768U, 0xffffffffU}) {
            reset(*driver);
            ASSERT_TRUE(driver->negotiate(feature(VIRTIO_F_VERSION_1)));
            FakeQueue queue(ram_, kSize, 0);
            VirtqueueLayout layout = queue.layout();
            layout.size = size;
            EXPECT_FALSE(driver->set_up_queue(0, layout)) << size;
            EXPECT_TRUE(driver->needs_reset()) << size;
            driver->add_status(VIRTIO_STATUS_DRIVER_OK);
            driver->kick(0);
            settle();
            expect_the_other_serves(*driver);
        }
        expect_recovery(*driver);
    }
}

TEST_P(HostileTest, KicksToQueuesThatAreNotReady) {
    for (FakeDriver* const driver : {&disk_->driver, &nic_->driver}) {
        reset(*driver);
        for (const uint32_t index : {0U, 1U, 2U, 0xffffU, 0xffffffffU})
            driver->write(R::QueueNotify, index);
        settle();
        ASSERT_TRUE(driver->negotiate(feature(VIRTIO_F_VERSION_1)));
        driver->add_status(VIRTIO_STATUS_DRIVER_OK);  // and no queue at all
        for (const uint32_t index : {0U, 1U, 2U}) driver->write(R::QueueNotify, index);
        settle();
        expect_the_other_serves(*driver);
        expect_recovery(*driver);
    }
}

TEST_P(HostileTest, ResetsInFlight) {
    for (int round = 0; round < 30; ++round) {
        for (uint16_t i = 0; i < 4; ++i) {
            const auto chain = good_read();
            disk_->driver.submit(0, {{{chain[0].addr}, 16},
                                     {{chain[1].addr}, kSector, Access::kWritable},
                                     {{chain[2].addr}, 1, Access::kWritable}});
            nic_->driver.submit(0, {{data_, 2048, Access::kWritable}});
        }
        for (int turns = 0; turns < round % 4; ++turns) turn();
        disk_->driver.write(R::Status, 0);
        nic_->driver.write(R::Status, 0);
        for (const R which : {R::Status, R::QueueReady, R::QueueReset, R::QueueNotify})
            disk_->driver.write(which, 1);
        run_until([&] { return disk_->driver.status() == 0 && nic_->driver.status() == 0; });
        EXPECT_EQ(engine_->in_flight(), 0U);
        start();
    }
    expect_the_disk_serves();
    expect_the_nic_serves();
}

TEST_P(HostileTest, RegistersInAnyOrder) {
    std::mt19937 random(1);  // NOLINT(cert-msc51-cpp): the same every time
    for (FakeDriver* const driver : {&disk_->driver, &nic_->driver}) {
        for (int i = 0; i < 20'000; ++i) {
            const auto offset = static_cast<uint32_t>(random() % 0x42 * 4);
            // Often the numbers that mean something.
            const auto value = static_cast<uint32_t>(random() % 2 == 0 ? random() % 16 : random());
            driver->write(static_cast<R>(offset), value);
            if (i % 7 == 0) driver->add_status(0xf);
            if (i % 16 == 0) turn();
        }
        run_until([&] { return engine_->in_flight() <= 4; });
        expect_the_other_serves(*driver);
        expect_recovery(*driver);
    }
}

// A vCPU that rewrites a chain while the device reads it. What the device does with the one or the
// other is its affair; that it does it to memory of the guest's, and lives on, is ours.
TEST_P(HostileTest, ChainsThatChangeUnderTheDevice) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "the race is the point: a guest's stores and GuestMemory's one plain copy";
#endif
    const auto good = good_read();
    GuestAddress table{};
    // A word of a descriptor at a time, as a vCPU stores.
    const auto store = [&](uint64_t offset, uint64_t value) {
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
        auto* const word = reinterpret_cast<uint64_t*>(ram_.at(table + offset, 8).data());
        std::atomic_ref(*word).store(value, std::memory_order_relaxed);
    };
    const auto second_word = [](uint64_t length, uint64_t flags, uint64_t next) {
        return length | flags << 32 | next << 48;
    };
    for (int round = 0; round < 50; ++round) {
        table = disk_->driver.queue(0).layout().desc;
        for (uint16_t i = 0; i < 3; ++i) disk_->driver.queue(0).set_desc(i, good[i]);
        std::atomic<bool> is_over = false;
        {
            const std::jthread vcpu([&] {
                for (uint64_t i = 0; !is_over.load(std::memory_order_relaxed); ++i) {
                    store(16, i % 3 == 0 ? ~uint64_t{0} - i : data_.value);
                    store(24, second_word(i % 2 == 0 ? kSector : 0xffffff00, i % 8, i % 20));
                    store(40, second_word(i % 3, VIRTQ_DESC_F_WRITE, 0));
                    store(0, i % 5 == 0 ? kRam - 3 : header_.value);
                }
            });
            for (int i = 0; i < 8; ++i) {
                disk_->driver.queue(0).offer_raw(0);
                disk_->driver.kick(0);
                for (int turns = 0; turns < 4; ++turns) turn();
            }
            is_over = true;
        }
        expect_the_nic_serves();
        reset(disk_->driver);
        start(disk_->driver);
        if (round % 10 == 9) expect_the_disk_serves();
    }
    expect_recovery(disk_->driver);
}

INSTANTIATE_TEST_SUITE_P(Both, HostileTest, testing::Values(Kind::kRing, Kind::kPlain), kind_name);

}  // namespace
