#include "rootfs/init/relay.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace {

// How often the channel is looked at where the kernel does not drive the port that would say when.
constexpr int kPollMs = 10;
constexpr int kSignalStatus = 128;

}  // namespace

// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): input_ is written before it is read.
Relay::Relay(const Channel& channel, const Program& program, int child_events)
    : channel_(channel),
      program_(program),
      child_events_(child_events),
      input_fd_(program.streams.input),
      output_{.fd = program.streams.output, .type = FrameType::kStdout},
      errors_{.fd = program.streams.errors, .type = FrameType::kStderr} {}

int Relay::run() {
    channel_.send_number(FrameType::kStdinCredit, program_.stream, kInputBytes);
    receive();  // what came before the bell had somebody to ring for
    while (!has_ended_) wait();
    send_what_is_left(output_);
    send_what_is_left(errors_);
    return status_;
}

void Relay::wait() {
    enum { kChildren, kBell, kOutput, kErrors, kInput, kCount };
    std::array<pollfd, kCount> events{};
    events[kChildren] = {child_events_, POLLIN, 0};
    events[kBell] = {channel_.doorbell(), POLLIN, 0};
    events[kOutput] = {output_.is_ready() ? output_.fd : -1, POLLIN, 0};
    events[kErrors] = {errors_.is_ready() ? errors_.fd : -1, POLLIN, 0};
    events[kInput] = {input_size_ > 0 ? input_fd_ : -1, POLLOUT, 0};
    const bool polls = channel_.doorbell() < 0;
    if (::poll(events.data(), events.size(), polls ? kPollMs : -1) < 0) return;  // EINTR
    if (polls || events[kBell].revents != 0) receive();
    if (events[kInput].revents != 0) write_input();
    if (events[kOutput].revents != 0) send_output(output_);
    if (events[kErrors].revents != 0) send_output(errors_);
    if (events[kChildren].revents != 0) reap();
}

void Relay::receive() {
    channel_.receive([this](const Frame& frame) { take(frame); });
    write_input();
}

void Relay::take(const Frame& frame) {
    if (frame.stream != program_.stream) return;  // there is no such program
    switch (frame.type) {
        case FrameType::kStdin:
            take_input(frame);
            break;
        case FrameType::kStdinEnd:
            input_ended_ = true;
            break;
        case FrameType::kStdoutCredit:
            output_.credit += frame.number();
            break;
        case FrameType::kStderrCredit:
            errors_.credit += frame.number();
            break;
        case FrameType::kStdoutGone:
            close_output(output_);
            break;
        case FrameType::kStderrGone:
            close_output(errors_);
            break;
        case FrameType::kSignal:
            deliver_signal(static_cast<int>(frame.number()));
            break;
        case FrameType::kWindowSize:
            set_window(frame.number());
            break;
        default:
            break;
    }
}

void Relay::take_input(const Frame& frame) {
    // More than the credit is the monitor's error; what has no room is lost.
    const std::span bytes(frame.payload, std::min(frame.size, kInputBytes - input_size_));
    const size_t end = (input_start_ + input_size_) % kInputBytes;
    const size_t first = std::min(bytes.size(), kInputBytes - end);
    std::memcpy(&input_[end], bytes.data(), first);
    std::memcpy(input_.data(), bytes.data() + first, bytes.size() - first);
    input_size_ += bytes.size();
}

void Relay::write_input() {
    while (input_size_ > 0) {
        const size_t run = std::min(input_size_, kInputBytes - input_start_);
        // A program that reads no more takes everything.
        ssize_t count = static_cast<ssize_t>(run);
        if (input_fd_ >= 0) {
            count = ::write(input_fd_, &input_[input_start_], run);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0 && errno == EAGAIN) break;
            if (count < 0) {
                close_input();
                continue;
            }
        }
        input_start_ = (input_start_ + static_cast<size_t>(count)) % kInputBytes;
        input_size_ -= static_cast<size_t>(count);
        input_taken_ += static_cast<uint32_t>(count);
    }
    // Half a buffer at a time: each message is an exit from the guest.
    if (input_taken_ >= kInputBytes / 2) {
        channel_.send_number(FrameType::kStdinCredit, program_.stream, input_taken_);
        input_taken_ = 0;
    }
    if (input_ended_ && input_size_ == 0) close_input();
}

void Relay::close_input() {
    if (input_fd_ < 0) return;
    if (input_fd_ == output_.fd) {
        // A terminal has no end; the character for it does what the user's own would have done.
        constexpr char kEndOfTransmission = 4;
        const ssize_t written = ::write(input_fd_, &kEndOfTransmission, 1);
        static_cast<void>(written);
    } else {
        ::close(input_fd_);
    }
    input_fd_ = -1;
}

// Nothing takes it any more. Who writes to a pipe then gets SIGPIPE; of a terminal it is the end.
void Relay::close_output(Outlet& outlet) {
    if (outlet.fd < 0) return;
    ::close(outlet.fd);
    if (input_fd_ == outlet.fd) input_fd_ = -1;
    outlet.fd = -1;
}

bool Relay::send_output(Outlet& outlet) {
    const std::span<std::byte> payload = channel_.payload();
    const size_t most = std::min<size_t>(payload.size(), outlet.credit);
    const ssize_t count = ::read(outlet.fd, payload.data(), most);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (count <= 0) {  // the end; EIO from a terminal whose last user is gone
        // Of a terminal the input side goes on being written to: a daemon may open it again.
        if (outlet.fd != input_fd_) ::close(outlet.fd);
        outlet.fd = -1;
        return false;
    }
    channel_.send(outlet.type, program_.stream, static_cast<size_t>(count));
    outlet.credit -= static_cast<uint32_t>(count);
    return true;
}

// The program is gone; what it wrote is in the pipe. A descendant that goes on writing is not
// waited for: at most one pipe's worth and a burst are sent.
void Relay::send_what_is_left(Outlet& outlet) {
    int waiting = 0;
    if (outlet.fd < 0 || ::ioctl(outlet.fd, FIONREAD, &waiting) != 0) return;
    while (outlet.fd >= 0 && waiting > 0) {
        if (outlet.credit == 0) {
            pollfd bell{channel_.doorbell(), POLLIN, 0};
            ::poll(&bell, 1, channel_.doorbell() < 0 ? kPollMs : -1);
            receive();
            continue;
        }
        const uint32_t before = outlet.credit;
        if (!send_output(outlet)) return;
        waiting -= static_cast<int>(before - outlet.credit);
    }
}

// Ctrl-C and Ctrl-\ mean everyone who listens to the terminal, the others the program.
void Relay::deliver_signal(int number) const {
    const bool is_for_all = number == SIGINT || number == SIGQUIT;
    ::kill(is_for_all ? -program_.pid : program_.pid, number);
}

void Relay::set_window(uint32_t rows_and_columns) const {
    winsize size{};
    size.ws_row = static_cast<uint16_t>(rows_and_columns >> 16);
    size.ws_col = static_cast<uint16_t>(rows_and_columns);
    if (output_.fd >= 0) ::ioctl(output_.fd, TIOCSWINSZ, &size);
}

void Relay::reap() {
    std::array<std::byte, 1024> events{};
    while (::read(child_events_, events.data(), events.size()) > 0) {
    }
    int status = 0;
    for (;;) {
        const pid_t pid = ::waitpid(-1, &status, WNOHANG);
        if (pid <= 0) return;
        if (pid != program_.pid) continue;
        has_ended_ = true;
        status_ = WIFSIGNALED(status) ? kSignalStatus + WTERMSIG(status) : WEXITSTATUS(status);
    }
}
