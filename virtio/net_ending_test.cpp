#include "virtio/net_fixture.hpp"

namespace {

// --- Resets -------------------------------------------------------------------------------------

TEST_P(NetTest, AResetTakesReadsBack) {
    start();
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 8; ++i) give({kNetHeaderBytes + kFrameBytes});
        settle();
        EXPECT_GT(engine_->in_flight(), 0U);
        reset();
        EXPECT_EQ(engine_->in_flight(), 0U);
        EXPECT_FALSE(nic_->device->is_in_flight());
        // A frame that comes between two drivers is for the second.
        ASSERT_TRUE(send(header(8) + payload(50, 8)));
        for (int i = 0; i < 3; ++i) EXPECT_FALSE(turn());
        start();
        const GuestAddress at = give({kNetHeaderBytes + kFrameBytes});
        EXPECT_EQ(used(kReceive).len, 62U);
        EXPECT_EQ(get(at, 62), merged(header(8) + payload(50, 8), 1));
    }
    expect_both_ways();
}

TEST_P(NetTest, AResetWaitsForWhatIsInFlight) {
    start();
    engine_->holds = true;
    const GuestAddress at = give({kNetHeaderBytes + kFrameBytes});
    transmit(header() + payload(60));
    run_until([&] { return engine_->held() == 1; });
    driver().write(MmioRegister::Status, 0);
    run_until([&] { return engine_->held() == 2; });  // the read was cancelled
    EXPECT_NE(driver().status(), 0);
    EXPECT_TRUE(nic_->device->is_in_flight());
    engine_->holds = false;
    engine_->release();
    turn();
    EXPECT_EQ(driver().status(), 0);
    EXPECT_EQ(queue(kReceive).used_idx(), 0);
    EXPECT_EQ(queue(kTransmit).used_idx(), 0);
    EXPECT_EQ(num_buffers(at), 0);
    receive();
    start();
    expect_both_ways();
}

TEST_P(NetTest, OneQueueIsResetAlone) {
    start(kMerge | feature(VIRTIO_F_RING_RESET));
    give({kNetHeaderBytes + kFrameBytes});
    settle();
    driver().write(MmioRegister::QueueSel, kReceive);
    driver().write(MmioRegister::QueueReset, 1);
    run_until([&] { return driver().read(MmioRegister::QueueReset) == 0; });
    EXPECT_EQ(engine_->in_flight(), 0U);
    transmit(header(4) + payload(40));
    EXPECT_EQ(receive(), header(4) + payload(40));

    FakeQueue again(ram_, 8, 0);
    ASSERT_TRUE(driver().set_up_queue(kReceive, again.layout()));
    const GuestAddress at = ram_.allocate(kNetHeaderBytes + kFrameBytes);
    again.add({{at, kNetHeaderBytes + kFrameBytes, Access::kWritable}});
    again.offer();
    ASSERT_TRUE(send(header(6) + payload(44)));
    run_until([&] { return again.take_used().has_value(); });
    EXPECT_EQ(get(at, 56), merged(header(6) + payload(44), 1));
}

TEST_P(NetTest, LateCompletionsAreIgnored) {
    start();
    give({kNetHeaderBytes + kFrameBytes});
    ASSERT_TRUE(send(header() + payload(60)));
    used(kReceive);
    const IoTag late = engine_->latest();
    engine_->inject(late, 72);
    engine_->inject({late.target, 4711, late.generation}, 72);
    turn();
    give({kNetHeaderBytes + kFrameBytes});
    settle();
    engine_->inject(late, 72);
    turn();
    EXPECT_EQ(queue(kReceive).used_idx(), 1);
    EXPECT_TRUE(nic_->device->is_in_flight());

    transmit(header() + payload(60));
    receive();
    used(kTransmit);
    engine_->inject(engine_->latest(), 72);
    turn();
    EXPECT_EQ(queue(kTransmit).used_idx(), 1);
}

TEST_P(NetTest, WindsDown) {
    start();
    for (int i = 0; i < 8; ++i) give({kNetHeaderBytes + kFrameBytes});
    settle();
    EXPECT_TRUE(nic_->device->is_in_flight());
    nic_->device->wind_down();
    for (int i = 0; i < kMostRounds && nic_->device->is_in_flight(); ++i)
        ASSERT_TRUE(engine_->wait(kMillisecond).ok());
    EXPECT_FALSE(nic_->device->is_in_flight());
}

// --- A TAP that goes away -----------------------------------------------------------------------

class LostTapTest : public NetTest {
protected:
    // Of the kernel's, once the interface was deleted.
    void lose_tap(int error = EBADFD) {
        engine_->answer = [error](const IoRequest&) -> std::optional<int32_t> { return -error; };
    }
    void expect_link_down() {
        EXPECT_EQ(driver().read_config<virtio_net_config>(0).status, 0);
        EXPECT_NE(driver().read(MmioRegister::InterruptStatus) & VIRTIO_MMIO_INT_CONFIG, 0U);
        EXPECT_FALSE(driver().needs_reset());
    }
};

TEST_P(LostTapTest, ItsEndIsSaidOnceToTheGuestAndToTheLog) {
    start();
    const uint32_t generation = driver().read(MmioRegister::ConfigGeneration);
    nic_->interrupts();
    testing::internal::CaptureStderr();
    lose_tap();
    for (int i = 0; i < 8; ++i) give({kNetHeaderBytes + kFrameBytes});
    for (int i = 0; i < 8; ++i) transmit(header() + payload(60));
    settle();
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_EQ(std::ranges::count(log, '\n'), 1) << log;
    EXPECT_NE(log.find("net0: tap: "), std::string::npos) << log;
    expect_link_down();
    EXPECT_NE(driver().read(MmioRegister::ConfigGeneration), generation);
    EXPECT_GE(nic_->interrupts(), 1U);
}

TEST_P(LostTapTest, TransmissionIsLostAndReceptionStill) {
    start();
    lose_tap();
    for (int i = 0; i < 8; ++i) give({kNetHeaderBytes + kFrameBytes});
    settle();
    expect_link_down();
    const size_t requests = engine_->count(IoOperation::kRead);
    for (int i = 0; i < 200; ++i) {
        transmit(header() + payload(60));
        EXPECT_EQ(used(kTransmit).len, 0U);
    }
    EXPECT_EQ(nic_->device->metrics().tx_fails.value(), 200U);
    for (int i = 0; i < 8; ++i) give({kNetHeaderBytes + kFrameBytes});
    settle();
    EXPECT_FALSE(turn());
    EXPECT_EQ(engine_->count(IoOperation::kRead), requests);
    EXPECT_EQ(engine_->count(IoOperation::kWrite), 0U);
    EXPECT_EQ(queue(kReceive).used_idx(), 0);
    EXPECT_EQ(engine_->in_flight(), 0U);
}

TEST_P(LostTapTest, EachDirectionNoticesIt) {
    start();
    lose_tap();
    transmit(header() + payload(60));
    EXPECT_EQ(used(kTransmit).len, 0U);
    expect_link_down();
}

TEST_P(LostTapTest, TheLinkIsDownForTheNextDriverToo) {
    start();
    lose_tap();
    transmit(header() + payload(60));
    settle();
    reset();
    start();
    EXPECT_EQ(driver().read_config<virtio_net_config>(0).status, 0);
    transmit(header() + payload(60));
    EXPECT_EQ(used(kTransmit).len, 0U);
}

INSTANTIATE_TEST_SUITE_P(Both, LostTapTest, testing::Values(Kind::kRing, Kind::kPlain), kind_name);

}  // namespace
