// Drives and NICs that are saved, and others that go on from there, on an engine of their own.
#include <algorithm>
#include <set>

#include "virtio/block_fixture.hpp"
#include "virtio/net_fixture.hpp"

namespace {

constexpr uint64_t kEventIdx = feature(VIRTIO_F_EVENT_IDX);

class BlockRestoreTest : public BlockTest {
protected:
    VirtioDeviceState save() {
        disk_->device->hold(true);
        run_until([&] { return disk_->device->is_still(); });
        disk_->device->disk().unlock();
        return {.transport = disk_->transport->save().value(),
                .block = disk_->device->save(now_ns_),
                .net = {}};
    }
    // The drive goes on elsewhere, at another time of another clock.
    void move(const BlockConfig& config = {.id = "disk0"}) {
        const VirtioDeviceState state = save();
        const std::unique_ptr<Plugged<Block>> before = std::move(disk_);
        move_on();
        now_ns_ += 1000 * kSecond;
        disk_ = plug(Block::create(Disk::open(path_.c_str(), DiskAccess::kReadWrite).value(),
                                   config, *engine_, *state.block, now_ns_)
                         .value(),
                     state.transport, before->driver);
        ASSERT_TRUE(engine_->start().ok());
    }
    Asked ask_to_read(uint64_t sector, GuestAddress at) {
        return ask(VIRTIO_BLK_T_IN, sector, {{at, kSector, Access::kWritable}});
    }
};

TEST_P(BlockRestoreTest, EachRequestIsCompletedOnce) {
    for (const uint64_t features : {kFlush, kFlush | kEventIdx}) {
        create();
        start(features, 16);
        for (int i = 0; i < 20; ++i) expect_a_good_read();
        const GuestAddress at = ram_.allocate(3 * kSector);
        engine_->holds = true;
        const Asked begun = ask_to_read(4, at);
        run_until([&] { return engine_->held() == 1; });
        disk_->device->hold(true);
        const Asked kicked = ask_to_read(5, at + kSector);
        turn();
        const Asked offered = ask_to_read(6, at + 2 * kSector);
        engine_->holds = false;
        engine_->release();
        move();
        EXPECT_EQ(queue().used_idx(), 21);
        for (const Asked& asked : {begun, kicked, offered})
            EXPECT_EQ(await(asked), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
        EXPECT_EQ(get(at, 3 * kSector), before(4, 3));
        EXPECT_EQ(engine_->count(IoOperation::kRead), 2U);
        EXPECT_EQ(disk_->driver.read(MmioRegister::InterruptStatus), VIRTIO_MMIO_INT_VRING);
        EXPECT_GE(disk_->interrupts(), 1U);
        // What was negotiated holds.
        EXPECT_EQ(answer(VIRTIO_BLK_T_FLUSH, 0), kOk);
        for (int i = 0; i < 20; ++i) expect_a_good_read();
        settle();
        EXPECT_EQ(queue().take_used(), std::nullopt);
        const auto gone = std::move(disk_);
        move_on();
    }
}

TEST_P(BlockRestoreTest, AFullQueueOfRequestsGoesOn) {
    create();
    start(kFlush | kEventIdx, 32);
    const GuestAddress at = ram_.allocate(10 * kSector);
    disk_->device->hold(true);
    std::vector<Asked> asked;
    for (uint64_t i = 0; i < 10; ++i) asked.push_back(ask_to_read(i, at + i * kSector));
    turn();
    move();
    std::set<uint16_t> left;
    for (const Asked& each : asked) left.insert(each.head);
    run_until([&] {
        while (const auto used = queue().take_used())
            EXPECT_EQ(left.erase(static_cast<uint16_t>(used->id)), 1U);
        return left.empty();
    });
    EXPECT_EQ(get(at, 10 * kSector), before(0, 10));
}

TEST_P(BlockRestoreTest, ALimitGoesOnAsItWas) {
    const RateLimiterConfig limits{.bandwidth = {},
                                   .ops = {.size = 2, .one_time_burst = 0, .refill_time_ms = 1000}};
    create({.id = "disk0", .limits = limits});
    start();
    expect_a_good_read();
    expect_a_good_read();
    now_ns_ += 100 * kMillisecond;
    const GuestAddress at = ram_.allocate(kSector);
    const Asked asked = ask_to_read(1, at);
    settle();
    EXPECT_EQ(deadline_ns(), now_ns_ + 400 * kMillisecond);
    move();  // whatever a configuration says there
    settle();
    EXPECT_EQ(queue().used_idx(), 2);
    EXPECT_EQ(deadline_ns(), now_ns_ + 400 * kMillisecond);
    now_ns_ += 400 * kMillisecond;
    EXPECT_EQ(await(asked), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
}

TEST_P(BlockRestoreTest, AnotherSizeIsTold) {
    create();
    start();
    settle();
    ASSERT_EQ(::ftruncate(file_.get(), 2 * kSectors * kSector), 0);
    move();
    turn();
    EXPECT_EQ(disk_->driver.read_config<uint64_t>(0), 2 * kSectors);
    EXPECT_EQ(disk_->driver.read(MmioRegister::InterruptStatus),
              VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG);
    expect_a_good_read();
}

TEST_P(BlockRestoreTest, ADiskThatLacksWhatTheDriverUsesIsRefused) {
    create();
    start();
    const VirtioDeviceState state = save();
    const std::unique_ptr<Plugged<Block>> before = std::move(disk_);
    move_on();
    const auto other =
        Block::create(Disk::open(path_.c_str(), DiskAccess::kReadWrite).value(),
                      {.id = "disk0", .cache = DiskCache::kUnsafe}, *engine_, *state.block)
            .value();
    const EventFd interrupt = EventFd::create().value();
    FakeWindow window;
    const auto made = MmioTransport::create("disk0", *other, ram_.memory(), interrupt, window.bytes,
                                            std::chrono::milliseconds{0}, state.transport);
    ASSERT_FALSE(made.ok());
    EXPECT_STREQ(made.error().what, "VIRTIO_BLK_F_FLUSH");
    EXPECT_EQ(made.error().subject(), "disk0");
    other->disk().unlock();
    BlockState full;
    full.limits.emplace();
    full.limits->config.ops = {.size = 1, .one_time_burst = 0, .refill_time_ms = 1};
    full.limits->ops.level = 2;
    const auto refused = Block::create(Disk::open(path_.c_str(), DiskAccess::kReadWrite).value(),
                                       {.id = "disk0"}, *engine_, full);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().subject(), "disk0");
}

class NetRestoreTest : public NetTest {
protected:
    void move() {
        nic_->device->hold(true);
        run_until([&] { return nic_->device->is_still(); });
        const MmioTransportState transport = nic_->transport->save().value();
        state_ = nic_->device->save(now_ns_);
        const std::unique_ptr<Plugged<Net>> before = std::move(nic_);
        DeviceTest::move_on();
        now_ns_ += 1000 * kSecond;
        UniqueFd end(::fcntl(tap_.get(), F_DUPFD_CLOEXEC, 0));
        nic_ = plug(Net::create(Tap::of(std::move(end), kFrameBytes), {.id = "net0", .mac = kMac},
                                *engine_, state_, now_ns_)
                        .value(),
                    transport, before->driver);
        ASSERT_TRUE(engine_->start().ok());
        chains_ = transport.queues[kReceive].queue.out.size();
        frames_ = transport.queues[kTransmit].queue.out.size();
    }
    // Sends frame `which` and takes it from the receive queue.
    void expect_to_receive(uint8_t which, size_t length) {
        const Bytes frame = header(which) + payload(length, which);
        ASSERT_TRUE(send(frame));
        Bytes got;
        uint16_t count = 0;
        for (; got.size() < frame.size(); ++count) {
            const virtq_used_elem element = used(kReceive);
            ASSERT_GT(element.len, 0U);
            const GuestAddress at{queue(kReceive).desc(static_cast<uint16_t>(element.id)).addr};
            got = got + get(at, element.len);
        }
        EXPECT_EQ(got, merged(frame, count));
    }

    NetState state_;
    size_t chains_ = 0;  // that the first NIC had
    size_t frames_ = 0;
};

// A frame fills the first of the buffers that a read has; more than one read has some.
TEST_P(NetRestoreTest, NoReceiveBufferIsLostAndNoneUsedTwice) {
    for (const uint64_t features : {kMerge, kMerge | kEventIdx}) {
        create();
        start(features, 256);
        for (int i = 0; i < 100; ++i) give({256});
        for (uint8_t i = 0; i < 6; ++i) expect_to_receive(i, 100);
        settle();
        const uint16_t used_before = queue(kReceive).used_idx();
        move();
        EXPECT_GT(chains_, 0U);
        EXPECT_EQ(queue(kReceive).used_idx(), used_before);
        // FakeQueue throws if a buffer comes twice.
        while (queue(kReceive).used_idx() < 90) expect_to_receive(9, 700);
        settle();
        for (int i = 0; i < 40; ++i) give({256});
        while (queue(kReceive).used_idx() < 130) expect_to_receive(9, 300);
        EXPECT_EQ(nic_->device->metrics().rx_fails.value(), 0U);
        const auto gone = std::move(nic_);
        move_on();
    }
}

TEST_P(NetRestoreTest, NoFrameIsSentTwiceAndNoneLost) {
    ASSERT_EQ(::fcntl(tap_.get(), F_SETFL, O_NONBLOCK), 0);
    const int least = 1;
    ASSERT_EQ(::setsockopt(tap_.get(), SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
    start();
    constexpr uint8_t kFrames = 50;  // more than are taken at a time
    for (uint8_t i = 0; i < kFrames; ++i) transmit(header(i) + payload(60, i));
    for (int i = 0; i < 20; ++i) turn();
    move();
    EXPECT_GT(frames_, 0U);
    std::vector<Bytes> got;
    while (got.size() < kFrames) got.push_back(receive());
    settle();
    EXPECT_EQ(receive_now(), std::nullopt);
    EXPECT_EQ(queue(kTransmit).used_idx(), kFrames);
    std::ranges::sort(got);
    for (uint8_t i = 0; i < kFrames; ++i) EXPECT_EQ(got[i], header(i) + payload(60, i));
}

TEST_P(NetRestoreTest, LimitsGoOnAsTheyWere) {
    const RateLimiterConfig ops{.bandwidth = {},
                                .ops = {.size = 1, .one_time_burst = 0, .refill_time_ms = 1000}};
    create({.id = "net0", .mac = kMac, .receive_limits = ops, .transmit_limits = ops});
    start();
    give({kNetHeaderBytes + kFrameBytes});
    give({kNetHeaderBytes + kFrameBytes});
    expect_to_receive(1, 100);
    transmit(header(1) + payload(60));
    receive();
    settle();
    now_ns_ += 250 * kMillisecond;
    move();
    transmit(header(2) + payload(60));
    ASSERT_TRUE(send(header(3) + payload(60)));
    settle();
    EXPECT_EQ(receive_now(), std::nullopt);
    EXPECT_EQ(queue(kReceive).used_idx(), 1);
    EXPECT_EQ(deadline_ns(), now_ns_ + 750 * kMillisecond);
    now_ns_ += 750 * kMillisecond;
    EXPECT_EQ(receive(), header(2) + payload(60));
    EXPECT_EQ(used(kReceive).len, 72U);
    NetState bad = state_;
    bad.transmit_limits->ops.level = 2;
    const auto refused = Net::create(Tap::of(UniqueFd(::dup(tap_.get())), kFrameBytes),
                                     {.id = "net0"}, *engine_, bad);
    EXPECT_FALSE(refused.ok());
}

INSTANTIATE_TEST_SUITE_P(Both, BlockRestoreTest, testing::Values(Kind::kRing, Kind::kPlain),
                         kind_name);
INSTANTIATE_TEST_SUITE_P(Both, NetRestoreTest, testing::Values(Kind::kRing, Kind::kPlain),
                         kind_name);

}  // namespace
