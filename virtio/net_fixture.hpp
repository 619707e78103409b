// The fixture of the tests of virtio-net: a NIC whose TAP is a pair of sockets, and the frames of
// both sides. Tests only; one thread.
#pragma once

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <numeric>

#include "virtio/device_fixture.hpp"
#include "virtio/net.hpp"

inline constexpr uint16_t kReceive = VIRTIO_NET_RECEIVEQ;
inline constexpr uint16_t kTransmit = VIRTIO_NET_TRANSMITQ;
inline constexpr uint64_t kMerge = feature(VIRTIO_NET_F_MRG_RXBUF);
inline constexpr uint32_t kFrameBytes = 1518;
inline constexpr uint16_t kReads = 4;
inline constexpr MacAddress kMac{0x02, 0, 0x5e, 0, 0x53, 1};

using Bytes = std::vector<uint8_t>;

// A header that says which frame it stands before, and nothing of use about its buffers.
inline Bytes header(uint8_t which = 0) {
    Bytes bytes(kNetHeaderBytes);
    bytes[2] = which;  // hdr_len
    bytes[10] = bytes[11] = 0xab;
    return bytes;
}

inline Bytes payload(size_t length, uint8_t which = 0) {
    Bytes bytes(length);
    std::iota(bytes.begin(), bytes.end(), which);
    return bytes;
}

inline Bytes operator+(Bytes left, const Bytes& right) {
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
