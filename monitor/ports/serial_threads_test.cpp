// A vCPU and the I/O thread at once on one port, both directions, as under TSan.
#include <poll.h>

#include <atomic>
#include <gtest/gtest.h>
#include <mutex>
#include <thread>
#include <utility>

#include "monitor/ports/serial_test_driver.hpp"

namespace {

using namespace uart;

constexpr size_t kStreamBytes = 1 << 20;

uint8_t stream_byte(size_t at) {
    return static_cast<uint8_t>(at * 31 + (at >> 8) * 7);
}

// A console with a moderate buffer, which the I/O thread empties.
class BufferedConsole final : public SerialSink {
public:
    void transmit(std::span<const std::byte> bytes) override {
        const std::lock_guard lock(mutex_);
        if (bytes.size() > kBytes - used_) dropped = true;
        for (const std::byte byte : bytes) {
            if (used_ < kBytes) buffer_[used_++] = byte;
        }
        filled.signal();
    }
    bool has_room() const override {
        const std::lock_guard lock(mutex_);
        return kBytes - used_ >= 16;
    }
    // I/O thread: takes everything, checks it against the stream, returns the new position.
    size_t empty(size_t at, bool& intact) {
        const std::lock_guard lock(mutex_);
        for (size_t i = 0; i < used_; ++i)
            intact = intact && buffer_[i] == static_cast<std::byte>(stream_byte(at + i));
        return at + std::exchange(used_, 0);
    }

    EventFd filled = EventFd::create().value();
    std::atomic<bool> dropped = false;

private:
    static constexpr size_t kBytes = 300;
    mutable std::mutex mutex_;
    std::array<std::byte, kBytes> buffer_{};
    size_t used_ = 0;
};

class Threads : public testing::Test, protected Driver {
protected:
    Threads() : Driver(serial_) {}

    void handle_interrupt() {
        while (in(IIR, kNoInterrupt) == 0) {
            while (has_input()) intact_in_ = in(RX) == stream_byte(received_++) && intact_in_;
            if (in(LSR, THRE)) {
                std::array<std::byte, 16> burst{};
                const size_t size = std::min(burst.size(), kStreamBytes - sent_);
                for (size_t i = 0; i < size; ++i)
                    burst[i] = static_cast<std::byte>(stream_byte(sent_ + i));
                if (size > 0) serial_.out(TX, std::span(burst).first(size), 1);
                sent_ += size;
                if (sent_ == kStreamBytes) out(IER, RDI);
            }
        }
    }

    // Sleeps until one is signalled. Without a signal for this long, one was lost.
    static bool wait_for(const EventFd& first, const EventFd& second) {
        std::array<pollfd, 2> events = {{{first.fd(), POLLIN, 0}, {second.fd(), POLLIN, 0}}};
        return ::poll(events.data(), events.size(), 20'000) > 0;
    }

    void vcpu() {
        out(FCR, FIFO | 0x80);
        out(MCR, DTR | RTS | OUT2);
        out(IER, RDI | THRI);
        while (sent_ < kStreamBytes || received_ < kStreamBytes) {
            if (!wait_for(interrupt_, interrupt_)) return;
            interrupt_.drain();
            handle_interrupt();
            if (++interrupts_ % 64 == 0) look_at_the_state();
        }
    }

    // As for a snapshot, while no register is accessed and input goes on coming.
    void look_at_the_state() {
        const SerialState state = serial_.save();
        for (size_t i = 0; i < state.queue.size(); ++i)
            intact_in_ = intact_in_ && state.queue[i] == std::byte{stream_byte(received_ + i)};
        intact_in_ = intact_in_ && Serial::check(state).ok();
    }

    void io() {
        std::array<std::byte, 700> chunk{};
        size_t offered = 0;
        while (offered < kStreamBytes || printed_ < kStreamBytes) {
            size_t taken = 0;
            do {
                const size_t size = std::min(chunk.size(), kStreamBytes - offered);
                for (size_t i = 0; i < size; ++i)
                    chunk[i] = static_cast<std::byte>(stream_byte(offered + i));
                taken = serial_.receive(std::span(chunk).first(size));
                offered += taken;
            } while (taken == chunk.size());
            if (!wait_for(room_, console_.filled)) return;
            room_.drain();
            if (!console_.filled.drain()) continue;
            printed_ = console_.empty(printed_, intact_out_);
            serial_.transmit_ready();
        }
    }

    BufferedConsole console_;
    EventFd interrupt_ = EventFd::create().value();
    EventFd room_ = EventFd::create().value();
    Serial serial_{console_, interrupt_, room_};

    // vCPU thread
    size_t received_ = 0;
    size_t sent_ = 0;
    size_t interrupts_ = 0;
    bool intact_in_ = true;
    // I/O thread
    size_t printed_ = 0;
    bool intact_out_ = true;
};

TEST_F(Threads, AMebibyteEachWayArrivesInOrder) {
    std::thread io_thread([this] { io(); });
    vcpu();
    io_thread.join();
    EXPECT_EQ(received_, kStreamBytes);
    EXPECT_EQ(sent_, kStreamBytes);
    EXPECT_EQ(printed_, kStreamBytes);
    EXPECT_TRUE(intact_in_);
    EXPECT_TRUE(intact_out_);
    EXPECT_FALSE(console_.dropped);
}

}  // namespace
