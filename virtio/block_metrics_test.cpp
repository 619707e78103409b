#include "virtio/block_fixture.hpp"

namespace {

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

}  // namespace
