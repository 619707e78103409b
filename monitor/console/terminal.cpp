#include "monitor/console/terminal.hpp"

#include <unistd.h>

#include <utility>

#include "monitor/console/keeper_words.hpp"

bool is_foreground_anothers(pid_t group) {
    const pid_t foreground = ::tcgetpgrp(STDIN_FILENO);
    return foreground >= 0 && foreground != group;
}

Terminal Terminal::create(TerminalUse use, const Job& job) {
    termios original{};
    if (::tcgetattr(STDIN_FILENO, &original) != 0) return Terminal{use, job, std::nullopt};
    Terminal terminal{use, job, original};
    terminal.make_raw();
    return terminal;
}

Terminal::Terminal(Terminal&& other) noexcept
    : use_(other.use_),
      job_(other.job_),
      original_(std::exchange(other.original_, std::nullopt)),
      is_raw_(other.is_raw_.exchange(false)) {}

bool Terminal::is_another_jobs() const {
    if (!original_.has_value()) return false;
    if (job_.keeper < 0) return is_foreground_anothers(job_.group);
    // One that is stopped does not answer: then the terminal is whoever's has stopped it.
    constexpr int kLimitMs = 200;
    return ask_keeper(job_.keeper, keeper_words::kIsAnotherJobs, kLimitMs) != keeper_words::kNo;
}

void Terminal::restore() const {
    if (is_raw_.exchange(false)) ::tcsetattr(STDIN_FILENO, TCSANOW, &*original_);
}

void Terminal::make_raw() const {
    if (!has_keys() || is_another_jobs()) return;
    termios raw = *original_;
    ::cfmakeraw(&raw);
    raw.c_oflag |= OPOST;  // the monitor's own lines on stderr still need their carriage returns
    is_raw_.store(::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0);
}
