// Devices of a VM that is paused.
#include <algorithm>

#include "virtio/block_fixture.hpp"
#include "virtio/net_fixture.hpp"

namespace {

class BlockHoldTest : public BlockTest {};

TEST_P(BlockHoldTest, WhatHasBegunIsToldToTheDriverAndNothingElseBegins) {
    start();
    engine_->holds = true;
    const GuestAddress at = ram_.allocate(2 * kSector);
    const Asked first = ask(VIRTIO_BLK_T_IN, 1, {{at, kSector, Access::kWritable}});
    run_until([&] { return engine_->held() == 1; });
    Block& disk = *disk_->device;
    disk.hold(true);
    const Asked second = ask(VIRTIO_BLK_T_IN, 2, {{at + kSector, kSector, Access::kWritable}});
    for (int i = 0; i < 5; ++i) turn();
    EXPECT_FALSE(disk.is_still());
    EXPECT_EQ(queue().used_idx(), 0);
    disk_->interrupts();

    engine_->holds = false;
    engine_->release();
    run_until([&] { return disk.is_still(); });
    EXPECT_EQ(queue().used_idx(), 1);
    EXPECT_EQ(disk_->interrupts(), 1U);
    EXPECT_EQ(await(first), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
    settle();
    EXPECT_TRUE(disk.is_still());
    EXPECT_EQ(queue().used_idx(), 1);
    disk.hold(false);
    EXPECT_EQ(await(second), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
    EXPECT_EQ(get(at, 2 * kSector), before(1, 2));
}

TEST_P(BlockHoldTest, ARequestOfSeveralStepsTakesThemAll) {
    start(0);  // without flushes a write is synced
    engine_->most_bytes = 100;
    const GuestAddress from = put(pattern(kSector));
    const Asked asked = ask(VIRTIO_BLK_T_OUT, 3, {{from, kSector}});
    turn();
    disk_->device->hold(true);
    run_until([&] { return disk_->device->is_still(); });
    EXPECT_EQ(queue().used_idx(), 1);
    EXPECT_EQ(await(asked), kOk);
    EXPECT_EQ(in_file(3, 1), pattern(kSector));
    EXPECT_EQ(engine_->count(IoOperation::kFdatasync), 1U);
}

TEST_P(BlockHoldTest, ADiskThatFailsIsStill) {
    start();
    engine_->holds = true;
    const GuestAddress at = ram_.allocate(kSector);
    ask(VIRTIO_BLK_T_IN, 1, {{at, kSector, Access::kWritable}});
    run_until([&] { return engine_->held() == 1; });
    queue().offer_raw(500);
    disk_->driver.kick(0);
    run_until([&] { return disk_->driver.needs_reset(); });
    disk_->device->hold(true);
    EXPECT_FALSE(disk_->device->is_still());
    engine_->release();
    run_until([&] { return disk_->device->is_still(); });
}

class NetHoldTest : public NetTest {
protected:
    // A TAP does not block; a socket may.
    void start_on(bool is_blocking) {
        ASSERT_EQ(::fcntl(tap_.get(), F_SETFL, is_blocking ? 0 : O_NONBLOCK), 0);
        const int least = 1;
        ASSERT_EQ(::setsockopt(tap_.get(), SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
        start();
    }
    void hold() {
        nic_->device->hold(true);
        run_until([&] { return nic_->device->is_still(); });
        EXPECT_EQ(nic_->device->is_in_flight(), false);
    }
    // Frames of numbers from `first` on, as long as there are any.
    uint8_t receive_all(uint8_t first) {
        for (; const std::optional<Bytes> frame = receive_now(); ++first)
            EXPECT_EQ(*frame, header(first) + payload(60, first)) << int{first};
        return first;
    }
};

TEST_P(NetHoldTest, FramesWaitInTheTap) {
    for (const bool is_blocking : {false, true}) {
        SCOPED_TRACE(is_blocking);
        start_on(is_blocking);
        std::vector<GuestAddress> at;
        for (int i = 0; i < 8; ++i) at.push_back(give({kNetHeaderBytes + kFrameBytes}));
        ASSERT_TRUE(send(header(0) + payload(60, 0)));
        EXPECT_EQ(used(kReceive).len, 72U);
        settle();
        EXPECT_GT(engine_->in_flight(), 0U);
        hold();
        EXPECT_EQ(engine_->in_flight(), 0U);
        for (uint8_t i = 1; i < 7; ++i) ASSERT_TRUE(send(header(i) + payload(60, i)));
        settle();
        EXPECT_TRUE(nic_->device->is_still());
        EXPECT_EQ(queue(kReceive).used_idx(), 1);
        nic_->device->hold(false);
        for (uint8_t i = 1; i < 7; ++i) {
            const GuestAddress buffer{
                queue(kReceive).desc(static_cast<uint16_t>(used(kReceive).id)).addr};
            EXPECT_EQ(get(buffer, 72), merged(header(i) + payload(60, i), 1));
        }
        settle();
        EXPECT_EQ(queue(kReceive).used_idx(), 7);
        EXPECT_EQ(nic_->device->metrics().tap_read_fails.value(), 0U);
        reset();
    }
}

TEST_P(NetHoldTest, AFrameThatWasReadIsDelivered) {
    start();
    const GuestAddress at = give({kNetHeaderBytes + kFrameBytes});
    give({kNetHeaderBytes + kFrameBytes});
    engine_->holds = true;
    ASSERT_TRUE(send(header(4) + payload(60, 4)));
    run_until([&] { return engine_->held() == 1; });
    nic_->device->hold(true);
    settle();
    EXPECT_FALSE(nic_->device->is_still());
    engine_->holds = false;
    nic_->interrupts();
    engine_->release();
    hold();
    EXPECT_EQ(queue(kReceive).used_idx(), 1);
    EXPECT_EQ(nic_->interrupts(), 1U);
    EXPECT_EQ(get(at, 72), merged(header(4) + payload(60, 4), 1));
}

TEST_P(NetHoldTest, WhatAFullTapDoesNotTakeIsSentAfterwardsAndOnce) {
    for (const bool is_blocking : {false, true}) {
        SCOPED_TRACE(is_blocking);
        start_on(is_blocking);
        constexpr uint8_t kFrames = 40;
        for (uint8_t i = 0; i < kFrames; ++i) transmit(header(i) + payload(60, i));
        for (int i = 0; i < 20; ++i) turn();
        EXPECT_TRUE(nic_->device->is_in_flight());
        hold();
        const uint16_t sent = queue(kTransmit).used_idx();
        EXPECT_GT(sent, 0);
        EXPECT_LT(sent, kFrames);
        EXPECT_EQ(receive_all(0), sent);
        settle();  // there is room now
        EXPECT_EQ(receive_all(static_cast<uint8_t>(sent)), sent);
        EXPECT_EQ(queue(kTransmit).used_idx(), sent);
        nic_->device->hold(false);
        uint8_t next = static_cast<uint8_t>(sent);
        std::vector<Bytes> rest;
        while (rest.size() < static_cast<size_t>(kFrames - sent)) rest.push_back(receive());
        std::ranges::sort(rest);  // in which order they are sent is the kernel's affair
        for (const Bytes& frame : rest) {
            EXPECT_EQ(frame, header(next) + payload(60, next));
            ++next;
        }
        settle();
        EXPECT_EQ(receive_now(), std::nullopt);
        EXPECT_EQ(queue(kTransmit).used_idx(), kFrames);
        EXPECT_EQ(nic_->device->metrics().tx_fails.value(), 0U);
        reset();
    }
}

TEST_P(NetHoldTest, IsOverBeforeItBegan) {
    for (const bool is_blocking : {false, true}) {
        start_on(is_blocking);
        for (int i = 0; i < 4; ++i) give({kNetHeaderBytes + kFrameBytes});
        settle();
        nic_->device->hold(true);
        nic_->device->hold(false);
        settle();
        const Bytes frame = header(9) + payload(60, 9);
        transmit(frame);
        EXPECT_EQ(receive(), frame);
        ASSERT_TRUE(send(frame));
        EXPECT_EQ(used(kReceive).len, frame.size());
        EXPECT_EQ(nic_->device->metrics().tap_read_fails.value(), 0U);
        reset();
    }
}

TEST_P(NetHoldTest, AResetForgetsWhatWasNotSent) {
    start_on(false);
    for (uint8_t i = 0; i < 40; ++i) transmit(header(i) + payload(60, i));
    for (int i = 0; i < 20; ++i) turn();
    hold();
    const auto sent = static_cast<uint8_t>(queue(kTransmit).used_idx());
    driver().write(MmioRegister::Status, 0);
    run_until([&] { return driver().status() == 0; });
    nic_->device->hold(false);
    EXPECT_EQ(receive_all(0), sent);
    start();
    settle();
    EXPECT_EQ(receive_now(), std::nullopt);
    expect_both_ways();
}

INSTANTIATE_TEST_SUITE_P(Both, BlockHoldTest, testing::Values(Kind::kRing, Kind::kPlain),
                         kind_name);
INSTANTIATE_TEST_SUITE_P(Both, NetHoldTest, testing::Values(Kind::kRing, Kind::kPlain), kind_name);

}  // namespace
