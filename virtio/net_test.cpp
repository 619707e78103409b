#include "virtio/net_fixture.hpp"

namespace {

TEST_P(NetTest, SaysWhatItIs) {
    create({.id = "net0", .mac = kMac, .mtu = 1400});
    EXPECT_EQ(driver().read(MmioRegister::DeviceID), VIRTIO_ID_NET);
    const uint64_t features = driver().device_features();
    for (const unsigned bit :
         {VIRTIO_NET_F_MAC, VIRTIO_NET_F_STATUS, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_MTU})
        EXPECT_NE(features & feature(bit), 0U) << bit;
    // A socket does no offloads.
    for (const unsigned bit : {VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_HOST_TSO4,
                               VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ})
        EXPECT_EQ(features & feature(bit), 0U) << bit;
    const auto config = driver().read_config<virtio_net_config>(0);
    EXPECT_EQ(config.mac, kMac);
    EXPECT_EQ(config.status, VIRTIO_NET_S_LINK_UP);
    EXPECT_EQ(config.mtu, 1400);
}

TEST_P(NetTest, WithoutAnMtuItOffersNone) {
    create();
    EXPECT_EQ(driver().device_features() & feature(VIRTIO_NET_F_MTU), 0U);
}

// --- §5.1.6.2: transmission ---------------------------------------------------------------------

TEST_P(NetTest, TransmitsHoweverTheFrameIsCut) {
    start();
    const Bytes frame = header(7) + payload(1000, 7);
    const auto size = static_cast<uint32_t>(frame.size());
    const GuestAddress at = put(frame);
    for (const uint32_t cut : {1U, 11U, 12U, 13U, 500U, size - 1}) {
        transmit({{at, cut}, {at + cut, size - cut}});
        EXPECT_EQ(receive(), frame) << cut;
        EXPECT_EQ(used(kTransmit).len, 0U);
    }
    // Byte by byte, the header too.
    std::vector<Piece> pieces;
    for (uint32_t i = 0; i < 63; ++i) pieces.push_back({at + i, 1});
    pieces.push_back({at + 63, size - 63});
    transmit(pieces);
    EXPECT_EQ(receive(), frame);
    EXPECT_EQ(used(kTransmit).len, 0U);
}

TEST_P(NetTest, TransmitsIndirectChains) {
    start(kMerge | feature(VIRTIO_F_INDIRECT_DESC), 2);
    const Bytes frame = header(7) + payload(100, 7);
    const GuestAddress at = put(frame);
    for (int i = 0; i < 5; ++i) {
        driver().submit_indirect(kTransmit, {{at, 12}, {at + 12, 100}});
        EXPECT_EQ(receive(), frame);
        used(kTransmit);
    }
}

TEST_P(NetTest, AHeaderAloneIsAFrame) {
    start();
    transmit(header(1));
    EXPECT_EQ(receive(), header(1));
    EXPECT_EQ(used(kTransmit).len, 0U);
}

TEST_P(NetTest, AFrameShorterThanItsHeaderFailsTheDevice) {
    start();
    const GuestAddress at = put(header());
    transmit({{at, 11}});
    turn();
    EXPECT_TRUE(driver().needs_reset());
    reset();
    start();
    transmit({{at, 11, Access::kWritable}});
    turn();
    EXPECT_TRUE(driver().needs_reset());
    EXPECT_FALSE(receive_now().has_value());
    reset();
    start();
    expect_both_ways();
}

TEST_P(NetTest, TransmittedFramesKeepTheirOrder) {
    start();
    uint8_t sent = 0;
    for (uint8_t expected = 0; expected < 100; ++expected) {
        while (sent < 100 && queue(kTransmit).free_descriptors() > 0)
            transmit(header(sent) + payload(20, sent)), ++sent;
        EXPECT_EQ(receive(), header(expected) + payload(20, expected));
        while (queue(kTransmit).take_used().has_value()) {
        }
    }
}

TEST_P(NetTest, AFrameThatTheKernelRefusesIsLost) {
    start();
    for (const int error : {EINVAL, EIO, EMSGSIZE, ENOBUFS}) {
        engine_->answer = [error](const IoRequest& request) -> std::optional<int32_t> {
            if (request.operation == IoOperation::kWrite) return -error;
            return {};
        };
        transmit(header() + payload(60));
        EXPECT_EQ(used(kTransmit).len, 0U) << error;
    }
    engine_->answer = nullptr;
    EXPECT_FALSE(driver().needs_reset());
    EXPECT_EQ(driver().read_config<virtio_net_config>(0).status, VIRTIO_NET_S_LINK_UP);
    expect_both_ways();
}

// --- Metrics ------------------------------------------------------------------------------------

TEST_P(NetTest, CountsFramesAndBytes) {
    start();
    const NetMetrics& metrics = nic_->device->metrics();
    expect_both_ways();
    settle();  // wants kicks again
    expect_both_ways();
    EXPECT_EQ(metrics.tx_packets_count.value(), 2U);
    EXPECT_EQ(metrics.tx_bytes_count.value(), 120U);
    EXPECT_EQ(metrics.rx_packets_count.value(), 2U);
    EXPECT_EQ(metrics.rx_bytes_count.value(), 120U);
    EXPECT_GE(metrics.rx_queue_event_count.value(), 1U);
    EXPECT_GE(metrics.tx_queue_event_count.value(), 2U);
    EXPECT_EQ(metrics.rx_fails.value() + metrics.tx_fails.value() + metrics.event_fails.value(),
              0U);
}

TEST_P(NetTest, CountsFramesThatAreLost) {
    start();
    const NetMetrics& metrics = nic_->device->metrics();
    int failures = 0;
    engine_->answer = [&](const IoRequest& request) -> std::optional<int32_t> {
        if (request.operation == IoOperation::kWrite) return -EIO;
        if (request.operation != IoOperation::kRead || ++failures > 3) return {};
        return failures == 1 ? -EIO : -EFAULT;
    };
    transmit(header() + payload(60));
    used(kTransmit);
    EXPECT_EQ(metrics.tx_fails.value(), 1U);
    EXPECT_EQ(metrics.tap_write_fails.value(), 1U);
    EXPECT_EQ(metrics.tx_packets_count.value(), 0U);
    give({kNetHeaderBytes + kFrameBytes});
    ASSERT_TRUE(send(payload(11)));
    ASSERT_TRUE(send(header() + payload(60)));
    used(kReceive);
    EXPECT_EQ(metrics.tap_read_fails.value(), 1U);
    EXPECT_EQ(metrics.rx_fails.value(), 3U);  // two too large, one too short
    EXPECT_EQ(metrics.rx_packets_count.value(), 1U);
    engine_->answer = nullptr;
    transmit({{put(header()), 11}});
    turn();
    EXPECT_EQ(metrics.tx_malformed_frames.value(), 1U);
    EXPECT_EQ(metrics.event_fails.value(), 1U);
}

TEST_P(NetTest, CountsWhatItWaitsFor) {
    start();
    const NetMetrics& metrics = nic_->device->metrics();
    settle();
    for (int i = 0; i < 5; ++i) turn();
    EXPECT_EQ(metrics.no_rx_avail_buffer.value(), 1U);
    const uint64_t in_vain = metrics.no_tx_avail_buffer.value();
    driver().kick(kTransmit);
    turn();
    EXPECT_EQ(metrics.no_tx_avail_buffer.value(), in_vain + 1);
    engine_->answer = [this](const IoRequest& request) -> std::optional<int32_t> {
        if (request.operation != IoOperation::kRead || frames_wait_in_the_tap()) return {};
        return -EAGAIN;
    };
    give({kNetHeaderBytes + kFrameBytes});
    settle();
    EXPECT_EQ(metrics.rx_tap_event_count.value(), 0U);
    ASSERT_TRUE(send(header() + payload(60)));
    used(kReceive);
    EXPECT_EQ(metrics.rx_tap_event_count.value(), 1U);
    EXPECT_EQ(metrics.tap_read_fails.value(), 0U);
    settle();
    EXPECT_EQ(metrics.no_rx_avail_buffer.value(), 2U);
}

// The TAP is a socket, which knows no offloads.
TEST_P(NetTest, CountsATapThatDoesNotTakeWhatWasNegotiated) {
    UniqueFd end(::fcntl(tap_.get(), F_DUPFD_CLOEXEC, 0));
    nic_ = plug(Net::create(Tap::of(std::move(end), kFrameBytes, feature(VIRTIO_NET_F_GUEST_CSUM)),
                            {.id = "net0", .mac = kMac}, *engine_)
                    .value());
    ASSERT_TRUE(engine_->start().ok());
    driver().start(kMerge | feature(VIRTIO_NET_F_GUEST_CSUM), {64, 64});
    turn();
    EXPECT_TRUE(driver().needs_reset());
    EXPECT_EQ(nic_->device->metrics().activate_fails.value(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Both, NetTest, testing::Values(Kind::kRing, Kind::kPlain), kind_name);

}  // namespace
