#include "virtio/block_fixture.hpp"

namespace {

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

}  // namespace
