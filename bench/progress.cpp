#include "bench/progress.hpp"

#include <unistd.h>

#include <cstdio>

#include "bench/program.hpp"

namespace {

constexpr double kQuietUs = 1e6;
constexpr double kRewriteUs = 1e5;

}  // namespace

Progress::Progress(std::string what, uint64_t steps)
    : what_(std::move(what)),
      steps_(steps),
      started_us_(now_us()),
      shown_us_(started_us_),
      is_terminal_(::isatty(STDERR_FILENO) == 1) {}

void Progress::name_step(const char* name) {
    if (!is_terminal_) return;
    std::fprintf(stderr, "\r\x1b[K%s: %s", what_.c_str(), name);
    has_line_ = true;
}

void Progress::step() {
    ++done_;
    const double now = now_us();
    const uint64_t tenths = done_ * 10 / steps_;
    const bool is_due = is_terminal_ ? now - shown_us_ >= kRewriteUs : tenths > shown_tenths_;
    if (!is_due || now - started_us_ < kQuietUs) return;
    // Back to the first column, and what the line had before is erased.
    const char* const format =
        is_terminal_ ? "\r\x1b[K%s: %llu %% after %.0f s" : "%s: %llu %% after %.0f s\n";
    std::fprintf(stderr, format, what_.c_str(),
                 static_cast<unsigned long long>(done_ * 100 / steps_), (now - started_us_) / 1e6);
    shown_tenths_ = tenths;
    shown_us_ = now;
    has_line_ = is_terminal_;
}

Progress::~Progress() {
    if (has_line_) std::fputs("\r\x1b[K", stderr);
}
