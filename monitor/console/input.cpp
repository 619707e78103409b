#include "monitor/console/input.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.hpp"
#include "base/read_some.hpp"

namespace {

constexpr std::byte kControlA{0x01};

}  // namespace

// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): see buffer_.
ConsoleInput::ConsoleInput(int fd, EscapeKeys keys, Serial& serial, const EventFd& quit,
                           HeldInput& held, std::span<const std::byte> waiting)
    : fd_(fd), keys_(keys), serial_(serial), quit_(quit), held_(held) {
    if (waiting.empty()) return;
    std::ranges::copy(waiting, buffer_.begin());
    waiting_ = std::span(buffer_).first(waiting.size());
    deliver();  // so that the port says when it has room for the rest
}

SerialConsoleState ConsoleInput::save() const {
    const std::lock_guard lock(mutex_);
    return {.port = serial_.save(), .input = {waiting_.begin(), waiting_.end()}};
}

void ConsoleInput::on_readable() {
    const ssize_t count = read_some(fd_, buffer_);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (count < 0 && errno == EIO && held_.refuse()) return;
    held_.forget_refusals();
    if (count <= 0) {  // the end; or the terminal is gone, which is the same to the guest
        ended_ = true;
        return;
    }
    auto size = static_cast<size_t>(count);
    if (keys_ == EscapeKeys::kEnabled) size = take_escape_keys(size);
    const std::lock_guard lock(mutex_);
    waiting_ = std::span(buffer_).first(size);
    deliver();
}

size_t ConsoleInput::take_escape_keys(size_t size) {
    size_t kept = 0;
    for (size_t i = 0; i < size; ++i) {
        const std::byte key = buffer_[i];
        if (!after_escape_) {
            if (key == kControlA)
                after_escape_ = true;
            else
                buffer_[kept++] = key;
            continue;
        }
        after_escape_ = false;
        switch (static_cast<char>(key)) {
            case 'x':
                quit_.signal();
                break;
            case 'h':
            case '?':
                log_line("Ctrl-A x ends the VM, Ctrl-A h shows this, Ctrl-A Ctrl-A sends Ctrl-A");
                break;
            case 'a':
            case '\x01':
                buffer_[kept++] = kControlA;
                break;
            default:
                break;  // not a command: swallowed, as QEMU does
        }
    }
    return kept;
}

void ConsoleInput::on_room() {
    const std::lock_guard lock(mutex_);
    deliver();
}

void ConsoleInput::deliver() {
    waiting_ = waiting_.subspan(serial_.receive(waiting_));
}
