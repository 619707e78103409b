// The console's output on a pipe, a socket or a file, whose reader reads when the script says so,
// or goes away. What a reader gets are the bytes that the guest sent, in order, but for those that
// are counted as dropped; who waits is woken; and no more waits than the queue has room for.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <optional>
#include <vector>

#include "base/fuzz_script.hpp"
#include "monitor/console/output.hpp"

namespace {

// As the stream goes on; where bytes were dropped, its reader finds its place again by them.
std::byte byte_at(uint64_t at) {
    return static_cast<std::byte>(at % 4 < 2 ? at / 4 : at >> (at % 4 == 2 ? 10 : 18));
}

// Interrupts a wait for a reader that stands still, which is a second long.
class Impatience {
public:
    Impatience() {
        struct sigaction action {};
        action.sa_handler = [](int /*signal*/) {};
        check(::sigaction(SIGRTMIN, &action, nullptr) == 0);
        sigevent event{};
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = SIGRTMIN;
        check(::timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0);
    }
    void begin() const { set(1'000'000); }
    void end() const { set(0); }

private:
    void set(long ns) const {
        const itimerspec times{{0, ns}, {0, ns}};
        check(::timer_settime(timer_, 0, &times, nullptr) == 0);
    }
    timer_t timer_{};
};

class Script {
public:
    explicit Script(std::span<const uint8_t> data) : script_(data) {
        std::array<int, 2> ends{-1, -1};
        const uint8_t kind = script_.next() % 4;
        is_file_ = kind == 3;
        if (is_file_)
            ends[1] = ::memfd_create("output", MFD_CLOEXEC);
        else if (kind == 2)
            check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
        else
            check(::pipe2(ends.data(), O_CLOEXEC | (kind == 1 ? O_NONBLOCK : 0)) == 0);
        reader_ = UniqueFd(ends[0]);
        writer_ = UniqueFd(ends[1]);
        if (reader_) check(::fcntl(reader_.get(), F_SETFL, O_NONBLOCK) == 0);
        if (kind < 2) ::fcntl(writer_.get(), F_SETPIPE_SZ, 4096);
        output_.emplace(writer_.get(), queued_, timeline_);
    }

    void run() {
        while (!script_.is_over()) {
            step(script_.next());
            check(output_->waiting_bytes() <= ConsoleOutput::kQueueBytes);
            check(output_->has_room() == (output_->waiting_bytes() < ConsoleOutput::kQueueBytes));
            check(read_ + output_->dropped_bytes() <= sent_ || is_file_);
        }
        end();
    }

private:
    void step(uint8_t what) {
        switch (what % 8) {
            case 0:
            case 1:
                return transmit(script_.next());
            case 2:
                return transmit(script_.next() * 257U);
            case 3:
                return flush();
            case 4:
                return read(script_.next() * 64U);
            case 5:
                return read(~size_t{0});
            case 6:
                return drain();
            default:
                if (what == 0xff) reader_ = UniqueFd();
        }
    }

    void transmit(size_t size) {
        std::vector<std::byte> bytes(size);
        for (std::byte& byte : bytes) byte = byte_at(sent_++);
        const bool was_waiting = output_->is_waiting();
        const uint64_t dropped = output_->dropped_bytes();
        queued_.drain();
        impatience().begin();
        output_->transmit(bytes);
        impatience().end();
        if (!was_waiting && output_->is_waiting()) check(queued_.drain());
        if (output_->dropped_bytes() != dropped) is_whole_ = false;
    }

    void read(size_t most) {
        std::array<std::byte, 4096> bytes{};
        while (reader_ && most > 0) {
            const ssize_t count = ::read(reader_.get(), bytes.data(), std::min(most, bytes.size()));
            if (count <= 0) return;
            most -= static_cast<size_t>(count);
            for (const std::byte byte : std::span(bytes).first(static_cast<size_t>(count))) {
                if (is_whole_) check(byte == byte_at(read_));
                ++read_;
            }
        }
    }

    // Main gives up on a reader that does not read.
    void drain() {
        const EventFd abandon = EventFd::create().value();
        abandon.signal();
        const uint64_t dropped = output_->dropped_bytes();
        output_->drain(abandon.fd(), DrainLimit(DrainLimit::kNever));
        check(!output_->is_waiting());
        if (output_->dropped_bytes() != dropped) is_whole_ = false;
    }

    // As the I/O thread does, when it has been told to.
    void flush() {
        pollfd event{output_->fd(), POLLOUT, 0};
        if (::poll(&event, 1, 0) > 0) output_->flush();
    }

    void end() {
        for (int round = 0; reader_ && output_->is_waiting(); ++round) {
            check(round < 4000);  // 256 bytes at a time where it can only be polled
            flush();
            read(~size_t{0});
        }
        read(~size_t{0});
        if (!reader_ && !is_file_) return;
        check(!output_->is_waiting());
        if (is_file_) {
            check(::lseek(writer_.get(), 0, SEEK_CUR) == static_cast<off_t>(sent_));
        } else {
            check(read_ + output_->dropped_bytes() == sent_);
        }
    }

    static const Impatience& impatience() {
        static const Impatience one;
        return one;
    }

    FuzzScript script_;
    bool is_file_ = false;
    UniqueFd reader_, writer_;
    EventFd queued_ = EventFd::create().value();
    Timeline timeline_;
    std::optional<ConsoleOutput> output_;
    uint64_t sent_ = 0;
    uint64_t read_ = 0;
    bool is_whole_ = true;  // nothing has been dropped
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ::signal(SIGPIPE, SIG_IGN);
    Script({data, size}).run();
    return 0;
}
