#include "virtio/net.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <numeric>

#include "virtio/device_fixture.hpp"

namespace {

constexpr uint16_t kReceive = VIRTIO_NET_RECEIVEQ;
constexpr uint16_t kTransmit = VIRTIO_NET_TRANSMITQ;
constexpr uint64_t kMerge = feature(VIRTIO_NET_F_MRG_RXBUF);
constexpr uint32_t kFrameBytes = 1518;
constexpr uint16_t kReads = 4;
constexpr MacAddress kMac{0x02, 0, 0x5e, 0, 0x53, 1};

using Bytes = std::vector<uint8_t>;

// A header that says which frame it stands before, and nothing of use about its buffers.
Bytes header(uint8_t which = 0) {
    Bytes bytes(kNetHeaderBytes);
    bytes[2] = which;  // hdr_len
    bytes[10] = bytes[11] = 0xab;
    return bytes;
}

Bytes payload(size_t length, uint8_t which = 0) {
    Bytes bytes(length);
    std::iota(bytes.begin(), bytes.end(), which);
    return bytes;
}

Bytes operator+(Bytes left, const Bytes& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

// The TAP is a socket that keeps frames apart; the test has the other end.
class NetTest : public DeviceTest {
protected:
    void SetUp() override {
        DeviceTest::SetUp();
        if (IsSkipped()) return;
        std::array<int, 2> ends{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()), 0);
        tap_ = UniqueFd(ends[0]);
        host_ = UniqueFd(ends[1]);
    }

    void create(const NetConfig& config = {.id = "net0", .mac = kMac},
                uint32_t frame_bytes = kFrameBytes) {
        UniqueFd end(::fcntl(tap_.get(), F_DUPFD_CLOEXEC, 0));
        nic_ = plug(Net::create(Tap::of(std::move(end), frame_bytes), config, *engine_).value());
        ASSERT_TRUE(engine_->start().ok());
    }
    void start(uint64_t features = kMerge, uint16_t size = 64) {
        if (nic_ == nullptr) create();
        ASSERT_TRUE(nic_->driver.start(features, {size, size}));
    }
    FakeDriver& driver() { return nic_->driver; }
    FakeQueue& queue(uint16_t index) { return nic_->driver.queue(index); }
    void offer(uint16_t index) {
        if (queue(index).offer()) driver().kick(index);
    }

    // Gives a receive buffer, of one descriptor for each length. Where it is.
    GuestAddress give(std::initializer_list<uint32_t> lengths) {
        const GuestAddress at = ram_.allocate(std::accumulate(lengths.begin(), lengths.end(), 0U));
        std::vector<Piece> pieces;
        uint64_t offset = 0;
        for (const uint32_t length : lengths) {
            pieces.push_back({at + offset, length, Access::kWritable});
            offset += length;
        }
        queue(kReceive).add(pieces);
        offer(kReceive);
        return at;
    }

    void transmit(const std::vector<Piece>& pieces) {
        queue(kTransmit).add(pieces);
        offer(kTransmit);
    }
    void transmit(const Bytes& frame) {
        transmit({{put(frame), static_cast<uint32_t>(frame.size())}});
    }

    // The host's side of the TAP. False if the socket is full.
    bool send(const Bytes& frame) const {
        return ::send(host_.get(), frame.data(), frame.size(), MSG_DONTWAIT) ==
               static_cast<ssize_t>(frame.size());
    }
    std::optional<Bytes> receive_now() const {
        Bytes frame(1 << 16);
        const ssize_t length = ::recv(host_.get(), frame.data(), frame.size(), MSG_DONTWAIT);
        if (length < 0) return {};
        frame.resize(static_cast<size_t>(length));
        return frame;
    }
    Bytes receive() {
        std::optional<Bytes> frame;
        run_until([&] { return (frame = receive_now()).has_value(); });
        return frame.value_or(Bytes{});
    }
    bool frames_wait_in_the_tap() const {
        int bytes = 0;
        EXPECT_EQ(::ioctl(tap_.get(), FIONREAD, &bytes), 0);
        return bytes > 0;
    }

    // The next buffer that the device has used.
    virtq_used_elem used(uint16_t index) {
        std::optional<virtq_used_elem> element;
        run_until([&] { return (element = queue(index).take_used()).has_value(); });
        return element.value_or(virtq_used_elem{});
    }
    uint16_t num_buffers(GuestAddress at) { return ram_.load<virtio_net_hdr_v1>(at).num_buffers; }
    // The header that the host has sent, with its num_buffers.
    static Bytes merged(Bytes frame, uint16_t buffers) {
        frame[10] = static_cast<uint8_t>(buffers);
        frame[11] = static_cast<uint8_t>(buffers >> 8);
        return frame;
    }

    void expect_both_ways() {
        const Bytes frame = header(9) + payload(60, 9);
        transmit(frame);
        EXPECT_EQ(receive(), frame);
        EXPECT_EQ(used(kTransmit).len, 0U);
        const GuestAddress at = give({kNetHeaderBytes + kFrameBytes});
        ASSERT_TRUE(send(frame));
        EXPECT_EQ(used(kReceive).len, frame.size());
        EXPECT_EQ(get(at, frame.size()), merged(frame, 1));
    }

    void reset() {
        driver().write(MmioRegister::Status, 0);
        run_until([&] { return driver().status() == 0; });
    }

    UniqueFd tap_, host_;
    std::unique_ptr<Plugged<Net>> nic_;
};

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

// --- §5.1.6.3: receive buffers ------------------------------------------------------------------

TEST_P(NetTest, ReceivesIntoOneBufferWithoutMerging) {
    start(0);
    const Bytes frame = header(3) + payload(200, 3);
    const GuestAddress at = give({kNetHeaderBytes + kFrameBytes});
    ASSERT_TRUE(send(frame));
    EXPECT_EQ(used(kReceive).len, frame.size());
    EXPECT_EQ(get(at, frame.size()), merged(frame, 1));  // §5.1.6.4.1: 1 then, too
    EXPECT_EQ(driver().read(MmioRegister::InterruptStatus), VIRTIO_MMIO_INT_VRING);
}

TEST_P(NetTest, WithoutMergingABufferIsAllAFrameGets) {
    start(0);
    const GuestAddress small = give({64});
    const GuestAddress large = give({kNetHeaderBytes + kFrameBytes});
    const Bytes frame = header(3) + payload(200, 3);
    ASSERT_TRUE(send(frame));
    EXPECT_EQ(used(kReceive).len, 64U);  // a datagram socket cuts; a TAP drops
    EXPECT_EQ(num_buffers(small), 1);
    ASSERT_TRUE(send(frame));
    EXPECT_EQ(used(kReceive).len, frame.size());
    EXPECT_EQ(get(large, frame.size()), merged(frame, 1));
}

TEST_P(NetTest, MergesBuffers) {
    start();
    std::vector<GuestAddress> buffers;
    for (int i = 0; i < 40; ++i) buffers.push_back(give({64}));
    size_t next = 0;
    for (const size_t length : {12U, 13U, 64U, 65U, 128U, 150U, 1200U}) {
        const Bytes frame = header(5) + payload(length - kNetHeaderBytes, 5);
        ASSERT_TRUE(send(frame));
        const auto count = static_cast<uint16_t>((length + 63) / 64);
        Bytes got;
        GuestAddress first{};
        for (uint16_t i = 0; i < count; ++i) {
            const virtq_used_elem element = used(kReceive);
            // Which buffers a read has got is the device's affair.
            const GuestAddress at{queue(kReceive).desc(static_cast<uint16_t>(element.id)).addr};
            if (i == 0) first = at;
            EXPECT_EQ(element.len, std::min<size_t>(64, length - got.size()));
            got = got + get(at, element.len);
        }
        EXPECT_EQ(num_buffers(first), count);
        EXPECT_EQ(got, merged(frame, count)) << length;
        next += count;
    }
    EXPECT_EQ(queue(kReceive).used_idx(), next);
}

TEST_P(NetTest, NumBuffersMayLieInTwoDescriptors) {
    for (const uint64_t features : {uint64_t{0}, kMerge}) {
        start(features);
        const Bytes frame = header(3) + payload(30, 3);
        for (const uint32_t cut : {1U, 10U, 11U, 12U}) {
            // The pieces lie apart and the wrong way round.
            const auto rest = static_cast<uint32_t>(frame.size()) - cut;
            const GuestAddress back = ram_.allocate(rest);
            const GuestAddress front = ram_.allocate(cut);
            driver().submit(kReceive,
                            {{front, cut, Access::kWritable}, {back, rest, Access::kWritable}});
            ASSERT_TRUE(send(frame));
            EXPECT_EQ(used(kReceive).len, frame.size());
            EXPECT_EQ(get(front, cut) + get(back, rest), merged(frame, 1)) << cut;
        }
        reset();
    }
}

TEST_P(NetTest, ABufferThatIsNoneFailsTheDevice) {
    create();
    const GuestAddress at = ram_.allocate(64);
    const auto expect_failure = [&](const std::vector<Piece>& pieces) {
        start();
        queue(kReceive).add(pieces);
        offer(kReceive);
        turn();
        EXPECT_TRUE(driver().needs_reset());
        reset();
    };
    expect_failure({{at, 11, Access::kWritable}});
    expect_failure({{at, 64}});
    expect_failure({{at, 16}, {at + 16, 48, Access::kWritable}});
    EXPECT_EQ(engine_->count(IoOperation::kRead), 0U);
    start();
    expect_both_ways();
}

TEST_P(NetTest, AGuestWithoutBuffersLeavesFramesInTheTap) {
    start();
    ASSERT_TRUE(send(header(1) + payload(60, 1)));
    ASSERT_TRUE(send(header(2) + payload(60, 2)));
    settle();
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(turn());
        EXPECT_FALSE(before_wait());
    }
    EXPECT_EQ(engine_->count(IoOperation::kRead), 0U);
    EXPECT_TRUE(frames_wait_in_the_tap());
    // Buffers given later have the frames at once, the older first.
    const GuestAddress first = give({kNetHeaderBytes + kFrameBytes});
    const GuestAddress second = give({kNetHeaderBytes + kFrameBytes});
    EXPECT_EQ(used(kReceive).len, 72U);
    EXPECT_EQ(used(kReceive).len, 72U);
    EXPECT_EQ(get(first, 72), merged(header(1) + payload(60, 1), 1));
    EXPECT_EQ(get(second, 72), merged(header(2) + payload(60, 2), 1));
}

TEST_P(NetTest, HasMoreReadsWhileFramesComeAndAFewAtMost) {
    start();
    for (int i = 0; i < 16; ++i) give({kNetHeaderBytes + kFrameBytes});
    settle();
    EXPECT_EQ(engine_->in_flight(), 1U);
    EXPECT_FALSE(turn());
    for (const size_t reads : {1U, 2U, 3U, 4U, 4U}) {
        ASSERT_TRUE(send(header() + payload(60)));
        used(kReceive);
        settle();
        EXPECT_EQ(engine_->in_flight(), reads);
    }
    EXPECT_EQ(kReads, 4U);
}

// To io_uring, the TAPs of older kernels do not wait.
TEST_P(NetTest, PollsATapThatHasNoMore) {
    engine_->answer = [this](const IoRequest& request) -> std::optional<int32_t> {
        if (request.operation != IoOperation::kRead || frames_wait_in_the_tap()) return {};
        return -EAGAIN;
    };
    start();
    for (int i = 0; i < 8; ++i) give({kNetHeaderBytes + kFrameBytes});
    settle();
    EXPECT_EQ(engine_->count(IoOperation::kPoll), 1U);
    EXPECT_EQ(engine_->in_flight(), 1U);  // the poll
    for (uint8_t i = 1; i <= 4; ++i) {
        ASSERT_TRUE(send(header(i) + payload(60, i)));
        EXPECT_EQ(used(kReceive).len, 72U);
        settle();
        EXPECT_EQ(engine_->count(IoOperation::kPoll), 1U + i);
    }
    reset();
    EXPECT_EQ(engine_->in_flight(), 0U);
    start();
    expect_both_ways();
}

TEST_P(NetTest, WaitsForATapThatIsFull) {
    int refusals = 3;
    engine_->answer = [&](const IoRequest& request) -> std::optional<int32_t> {
        if (request.operation != IoOperation::kWrite || refusals == 0) return {};
        --refusals;
        return -EAGAIN;
    };
    start();
    transmit(header(1) + payload(60, 1));
    EXPECT_EQ(receive(), header(1) + payload(60, 1));
    EXPECT_EQ(used(kTransmit).len, 0U);
    EXPECT_EQ(engine_->count(IoOperation::kPoll), 3U);
    EXPECT_EQ(engine_->count(IoOperation::kWrite), 4U);
}

TEST_P(NetTest, ReadsWithLessThanAFrameOnlyIfThatIsAllThereIs) {
    start();
    for (int i = 0; i < 3; ++i) give({256});
    settle();
    EXPECT_EQ(engine_->in_flight(), 1U);  // no read has room for the largest frame
    for (int i = 0; i < 3; ++i) give({256});
    settle();
    EXPECT_EQ(engine_->in_flight(), 1U);
    give({256});
    settle();
    EXPECT_EQ(engine_->in_flight(), 1U);
    for (uint8_t i = 1; i <= 2; ++i) {
        ASSERT_TRUE(send(header(i) + payload(60, i)));
        EXPECT_EQ(used(kReceive).len, 72U);
    }
    for (int i = 0; i < 16; ++i) give({256});
    settle();
    EXPECT_EQ(engine_->in_flight(), 2U);  // now another has
}

TEST_P(NetTest, ReceivedFramesKeepTheirOrder) {
    start();
    uint8_t sent = 0;
    for (int i = 0; i < 32; ++i) give({256});
    for (uint8_t expected = 0; expected < 200; ++expected) {
        while (sent < 200 && send(header(sent) + payload(20U + sent, sent))) ++sent;
        const virtq_used_elem element = used(kReceive);
        const GuestAddress at{queue(kReceive).desc(static_cast<uint16_t>(element.id)).addr};
        ASSERT_EQ(get(at, element.len),
                  merged(header(expected) + payload(20U + expected, expected), 1));
        queue(kReceive).add({{at, 256, Access::kWritable}});
        offer(kReceive);
    }
}

TEST_P(NetTest, AFrameThatDoesNotFitCostsNoBuffer) {
    start();
    const GuestAddress at = give({kNetHeaderBytes + kFrameBytes});
    int failures = 0;
    engine_->answer = [&](const IoRequest&) -> std::optional<int32_t> {
        if (++failures > 3) return {};
        return -EFAULT;  // what a TAP says then
    };
    const Bytes frame = header(1) + payload(60, 1);
    ASSERT_TRUE(send(frame));
    EXPECT_EQ(used(kReceive).len, frame.size());
    EXPECT_EQ(get(at, frame.size()), merged(frame, 1));
    EXPECT_EQ(engine_->count(IoOperation::kRead), 4U);
}

TEST_P(NetTest, WhatIsShorterThanAHeaderIsNoFrame) {
    start();
    const GuestAddress at = give({kNetHeaderBytes + kFrameBytes});
    const Bytes frame = header(1) + payload(60, 1);
    ASSERT_TRUE(send(payload(11)));
    ASSERT_TRUE(send(frame));
    EXPECT_EQ(used(kReceive).len, frame.size());
    EXPECT_EQ(get(at, frame.size()), merged(frame, 1));
}

// A read takes 1024 vectors; a frame that takes more buffers than that is the driver's problem.
TEST_P(NetTest, BuffersOfManySmallPiecesDoNotMakeItSpin) {
    create({.id = "net0", .mac = kMac}, 65550);
    start(kMerge | feature(VIRTIO_F_INDIRECT_DESC), 256);
    const GuestAddress at = ram_.allocate(64 << 10);
    for (uint64_t i = 0; i < 32; ++i) {
        std::vector<Piece> pieces;
        for (uint64_t j = 0; j < 256; ++j)
            pieces.push_back({at + 512 * i + j, 1, Access::kWritable});
        queue(kReceive).add_indirect(pieces);
    }
    offer(kReceive);
    settle();
    EXPECT_GT(engine_->in_flight(), 0U);
    const Bytes frame = header(1) + payload(500, 1);
    ASSERT_TRUE(send(frame));
    EXPECT_EQ(used(kReceive).len, 256U);
    EXPECT_EQ(used(kReceive).len, 256U);
}

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

INSTANTIATE_TEST_SUITE_P(Both, NetTest, testing::Values(Kind::kRing, Kind::kPlain), kind_name);
INSTANTIATE_TEST_SUITE_P(Both, LostTapTest, testing::Values(Kind::kRing, Kind::kPlain), kind_name);
INSTANTIATE_TEST_SUITE_P(Both, NetLimitTest, testing::Values(Kind::kRing, Kind::kPlain), kind_name);

}  // namespace
