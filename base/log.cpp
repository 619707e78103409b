#include "base/log.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <span>

#include "base/calendar.hpp"
#include "base/line_sink.hpp"
#include "base/thread.hpp"

namespace {

constexpr LogSettings kDefaults{};

// The log is the whole process's. NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables)
const char* program = "mayfly";
std::atomic<const LogSettings*> settings{&kDefaults};
LogMetrics metrics;
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

constexpr std::array kLevelNames = {"OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"};

timespec now(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return time;
}

// One line on its way out: what is too long is cut, and the newline always fits. On the stack, and
// not cleared.
class Line {
public:
    Line() {}  // NOLINT(cppcoreguidelines-pro-type-member-init,modernize-use-equals-default)

    // What may still be written to, with a place for the NUL that formatting ends with.
    std::span<char> rest() { return std::span(text_).subspan(length_, kMost + 1 - length_); }
    // snprintf() or format_error() wrote as many into rest(), or would have.
    void wrote(size_t length) { length_ = std::min(length_ + length, kMost); }

    [[gnu::format(printf, 2, 0)]] void put(const char* format, va_list arguments) {
        const int length = std::vsnprintf(rest().data(), rest().size(), format, arguments);
        if (length > 0) wrote(static_cast<size_t>(length));
    }
    [[gnu::format(printf, 2, 3)]] void put(const char* format, ...) {
        va_list arguments;
        va_start(arguments, format);
        put(format, arguments);
        va_end(arguments);
    }

    size_t length() const { return length_; }
    // A line stays one: control characters from `start` on become '?'.
    void tame(size_t start) {
        std::replace_if(
            text_.begin() + static_cast<std::ptrdiff_t>(start),
            text_.begin() + static_cast<std::ptrdiff_t>(length_),
            [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
    }

    std::span<const char> finish() {
        text_[length_] = '\n';
        return std::span(text_).first(length_ + 1);
    }

private:
    static constexpr size_t kMost = 1023;

    std::array<char, kMost + 1> text_;
    size_t length_ = 0;
};

// "2026-11-28T12:00:00.123456789 [id:thread:WARN:file:line] ".
void put_stamp(Line& line, const LogSettings& how, const LogOrigin& origin) {
    const timespec time = now(CLOCK_REALTIME);
    const CalendarTime utc = calendar_time(time.tv_sec);
    line.put("%04d-%02d-%02dT%02d:%02d:%02d.%09ld [%s:%s", utc.year, utc.month, utc.day, utc.hour,
             utc.minute, utc.second, time.tv_nsec, how.instance_id, Thread::current_name());
    if (how.shows_level) line.put(":%s", kLevelNames[static_cast<size_t>(origin.level)]);
    if (how.shows_origin && origin.file != nullptr) line.put(":%s:%d", origin.file, origin.line);
    line.put("] ");
}

bool is_wanted(const LogSettings& how, const LogOrigin& origin) {
    if (origin.level > how.level) return false;
    return how.module == nullptr || origin.file == nullptr ||
           std::strncmp(origin.file, how.module, std::strlen(how.module)) == 0;
}

// `fill` puts the text into the line.
template <typename Fill>
void write_line(const LogOrigin& origin, Fill fill) {
    const LogSettings& how = *settings.load(std::memory_order_acquire);
    if (!is_wanted(how, origin)) return;
    Line line;
    if (how.form == LogForm::kPlain) {
        line.put("%s: ", program);
        fill(line);
    } else {
        put_stamp(line, how, origin);
        const size_t start = line.length();
        fill(line);
        line.tame(start);
    }
    // A handler of a signal may come between a failed call and the look at its errno.
    const int error = errno;
    const std::span<const char> bytes = line.finish();
    if (write_once(how.fd, bytes) != static_cast<ssize_t>(bytes.size()))
        metrics.missed_log_count.add();
    errno = error;
}

}  // namespace

void set_log(const LogSettings& wanted) {
    settings.store(&wanted, std::memory_order_release);
}

void reset_log() {
    set_log(kDefaults);
}

Result<UniqueFd> open_log(const char* path) {
    return open_line_sink(path);
}

const LogMetrics& log_metrics() {
    return metrics;
}

void set_log_name(const char* name) {
    program = name;
}

void log_at(const LogOrigin& origin, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    write_line(origin, [&](Line& line) { line.put(format, arguments); });
    va_end(arguments);
}

void log_line(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    write_line({LogLevel::kInfo, nullptr, 0}, [&](Line& line) { line.put(format, arguments); });
    va_end(arguments);
}

void log_error(const Error& error, const char* file, int line_number) {
    write_line({LogLevel::kError, file, line_number},
               [&](Line& line) { line.wrote(format_error(error, line.rest())); });
}

// --- LogLimit: here, because what it leaves out is counted with the rest ------------------------

LogLimit::Verdict LogLimit::judge(uint64_t now_ns) {
    uint64_t began_ns = began_ns_.load(std::memory_order_relaxed);
    uint32_t left_out = 0;
    // One of those that come at once begins the new interval. Others may still be counted in the
    // old one, which lets a line too many or too few pass.
    if ((began_ns == 0 || now_ns - began_ns >= kIntervalNs) &&
        began_ns_.compare_exchange_strong(began_ns, now_ns, std::memory_order_relaxed)) {
        const uint32_t asked = asked_.exchange(0, std::memory_order_relaxed);
        left_out = asked > kLines ? asked - kLines : 0;
    }
    return {.admits = asked_.fetch_add(1, std::memory_order_relaxed) < kLines,
            .left_out = left_out};
}

bool LogLimit::admits(const char* file, int line) {
    const timespec time = now(CLOCK_MONOTONIC);
    const Verdict verdict = judge(static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 +
                                  static_cast<uint64_t>(time.tv_nsec));
    if (verdict.left_out > 0)
        log_at({LogLevel::kWarning, file, line}, "%u lines like the next one were left out",
               verdict.left_out);
    if (!verdict.admits) metrics.rate_limited_log_count.add();
    return verdict.admits;
}
