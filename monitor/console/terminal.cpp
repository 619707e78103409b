#include "monitor/console/terminal.hpp"

#include <unistd.h>

#include <utility>

Result<Terminal> Terminal::create(int fd) {
    termios original{};
    if (::tcgetattr(fd, &original) != 0) return Terminal{fd, std::nullopt};
    Terminal terminal{fd, original};
    terminal.make_raw();
    return terminal;
}

Terminal::Terminal(Terminal&& other) noexcept
    : fd_(other.fd_), original_(std::exchange(other.original_, std::nullopt)) {}

void Terminal::restore() const {
    if (original_) ::tcsetattr(fd_, TCSANOW, &*original_);
}

void Terminal::make_raw() const {
    if (!original_) return;
    termios raw = *original_;
    ::cfmakeraw(&raw);
    raw.c_oflag |= OPOST;  // the monitor's own lines on stderr still need their carriage returns
    ::tcsetattr(fd_, TCSANOW, &raw);
}
