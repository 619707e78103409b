#include "virtio/block_fixture.hpp"

namespace {

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

INSTANTIATE_TEST_SUITE_P(Both, BlockLimitTest, testing::Values(Kind::kRing, Kind::kPlain),
                         kind_name);

}  // namespace
