#include "virtio/net_fixture.hpp"

namespace {

// --- Rate limits, on an artificial clock --------------------------------------------------------

class NetLimitTest : public NetTest {
protected:
    static constexpr uint32_t kPayload = 1000;
    static constexpr uint64_t kRate = 1'000'000;

    // Frames of kPayload bytes until `end_ns`, with `supply` doing the driver's and the host's part
    // and returning how many have passed.
    template <typename Supply>
    uint64_t passed_until(uint64_t end_ns, Supply supply) {
        uint64_t passed = 0;
        while (now_ns_ < end_ns) {
            run_until([&] {
                passed += supply();
                turn();
                return deadline_ns() != IoWorker::kNever && !nic_->device->is_in_flight();
            });
            passed += supply();
            EXPECT_GT(deadline_ns(), now_ns_);
            now_ns_ = deadline_ns();
        }
        return passed;
    }

    uint64_t transmitted() {
        if (frame_.value == 0) frame_ = put(header() + payload(kPayload));
        while (queue(kTransmit).take_used().has_value()) {
        }
        while (queue(kTransmit).free_descriptors() > 0)
            queue(kTransmit).add({{frame_, kNetHeaderBytes + kPayload}});
        offer(kTransmit);
        uint64_t frames = 0;
        while (receive_now().has_value()) ++frames;
        return frames;
    }

    uint64_t received() {
        if (frame_.value == 0) frame_ = ram_.allocate(kNetHeaderBytes + kFrameBytes);
        uint64_t frames = 0;
        while (queue(kReceive).take_used().has_value()) ++frames;
        while (queue(kReceive).free_descriptors() > 0)
            queue(kReceive).add({{frame_, kNetHeaderBytes + kFrameBytes, Access::kWritable}});
        offer(kReceive);
        while (send(header() + payload(kPayload))) {
        }
        return frames;
    }

    GuestAddress frame_{};
};

TEST_P(NetLimitTest, TransmittedBytesAreAsConfigured) {
    create({.id = "net0", .transmit_limits = {.bandwidth = {kRate, 0, 1000}, .ops = {}}});
    start();
    passed_until(now_ns_ + 10 * kMillisecond, [&] { return transmitted(); });
    const uint64_t frames = passed_until(now_ns_ + kSecond, [&] { return transmitted(); });
    EXPECT_NEAR(static_cast<double>(frames * kPayload), kRate, 0.05 * kRate);
}

TEST_P(NetLimitTest, TransmittedFramesAreAsConfigured) {
    create({.id = "net0", .transmit_limits = {.bandwidth = {}, .ops = {400, 0, 1000}}});
    start();
    passed_until(now_ns_ + 10 * kMillisecond, [&] { return transmitted(); });
    const uint64_t frames = passed_until(now_ns_ + kSecond, [&] { return transmitted(); });
    EXPECT_NEAR(static_cast<double>(frames), 400, 20);
}

TEST_P(NetLimitTest, ReceivedBytesAreAsConfigured) {
    create({.id = "net0", .receive_limits = {.bandwidth = {kRate, 0, 1000}, .ops = {}}});
    start();
    passed_until(now_ns_ + 10 * kMillisecond, [&] { return received(); });
    const uint64_t frames = passed_until(now_ns_ + kSecond, [&] { return received(); });
    EXPECT_NEAR(static_cast<double>(frames * kPayload), kRate, 0.05 * kRate);
}

TEST_P(NetLimitTest, ReceivedFramesAreAsConfigured) {
    create({.id = "net0", .receive_limits = {.bandwidth = {}, .ops = {400, 0, 1000}}});
    start();
    passed_until(now_ns_ + 10 * kMillisecond, [&] { return received(); });
    const uint64_t frames = passed_until(now_ns_ + kSecond, [&] { return received(); });
    EXPECT_NEAR(static_cast<double>(frames), 400, 20);
}

TEST_P(NetLimitTest, IsCounted) {
    create({.id = "net0",
            .receive_limits = {.bandwidth = {}, .ops = {1, 0, 1000}},
            .transmit_limits = {.bandwidth = {}, .ops = {1, 0, 1000}}});
    start();
    const NetMetrics& metrics = nic_->device->metrics();
    expect_both_ways();
    transmit(header() + payload(60));
    give({kNetHeaderBytes + kFrameBytes});
    ASSERT_TRUE(send(header() + payload(60)));
    settle();
    EXPECT_EQ(metrics.rx_rate_limiter_throttled.value(), 1U);
    EXPECT_EQ(metrics.tx_rate_limiter_throttled.value(), 1U);
    EXPECT_EQ(metrics.rx_event_rate_limiter_count.value(), 0U);
    EXPECT_EQ(metrics.tx_rate_limiter_event_count.value(), 0U);
    now_ns_ += kSecond;
    receive();
    used(kReceive);
    EXPECT_EQ(metrics.rx_event_rate_limiter_count.value(), 1U);
    EXPECT_EQ(metrics.tx_rate_limiter_event_count.value(), 1U);
}

TEST_P(NetLimitTest, LimitsChangeWhileItRuns) {
    create({.id = "net0",
            .receive_limits = {.bandwidth = {}, .ops = {1, 0, 3'600'000}},
            .transmit_limits = {.bandwidth = {}, .ops = {1, 0, 3'600'000}}});
    start();
    expect_both_ways();
    transmit(header() + payload(60));
    give({kNetHeaderBytes + kFrameBytes});
    ASSERT_TRUE(send(header() + payload(60)));
    settle();
    EXPECT_EQ(deadline_ns(), now_ns_ + 3600 * kSecond);
    EXPECT_FALSE(receive_now().has_value());
    nic_->device->change_transmit_limits({}, now_ns_);
    EXPECT_EQ(receive(), header() + payload(60));
    EXPECT_EQ(deadline_ns(), now_ns_ + 3600 * kSecond);  // the other direction's
    nic_->device->change_receive_limits({}, now_ns_);
    EXPECT_EQ(used(kReceive).len, 72U);
    EXPECT_EQ(deadline_ns(), IoWorker::kNever);
}

INSTANTIATE_TEST_SUITE_P(Both, NetLimitTest, testing::Values(Kind::kRing, Kind::kPlain), kind_name);

}  // namespace
