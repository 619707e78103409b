#include "base/log.hpp"

#include <poll.h>
#include <unistd.h>

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
#include "base/monotonic_clock.hpp"
#include "base/thread.hpp"

namespace {

constexpr LogSettings kDefaults{};
constexpr int kNoPatience = -1;

// Lines of threads that may not write where they would have to wait; none is taken back.
class KeptLines {
public:
    bool keep(std::span<const char> line) {
        size_t at = used_.load(std::memory_order_relaxed);
        do
            if (line.size() > bytes_.size() - at) return false;
        while (!used_.compare_exchange_weak(at, at + line.size(), std::memory_order_relaxed));
        std::ranges::copy(line, bytes_.begin() + static_cast<std::ptrdiff_t>(at));
        return true;
    }
    // After those threads' end.
    std::span<const char> take() {
        return std::span(bytes_).first(used_.exchange(0, std::memory_order_relaxed));
    }

private:
    std::array<char, 8192> bytes_{};
    std::atomic<size_t> used_{0};
};

// The log is the whole process's. NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables)
const char* program = "mayfly";
std::atomic<const LogSettings*> settings{&kDefaults};
std::atomic<WriteWay> stderr_way{WriteWay::kPlain};
std::atomic<int> patience_ms{kLogPatienceMs};  // what is left of it, or kNoPatience
std::atomic<uint32_t> lost_lines{0};           // that no line has told of
std::atomic<bool> is_cut{false};               // the last line that was written lacks its end
KeptLines kept_lines;
LogMetrics metrics;
constinit LogBudget guest_budget{kGuestLogLines};
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

// "mayfly: ", or what a stamped line begins with.
void put_beginning(Line& line, const LogSettings& how, const LogOrigin& origin) {
    if (how.form == LogForm::kPlain)
        line.put("%s: ", program);
    else
        put_stamp(line, how, origin);
}

// Until stderr takes something, or the patience is used up. Main or the API's thread.
bool wait_for_reader() {
    int left = patience_ms.load(std::memory_order_relaxed);
    if (left <= 0) return false;
    const uint64_t began_ns = monotonic_ns();
    pollfd event{STDERR_FILENO, POLLOUT, 0};
    const int ready = ::poll(&event, 1, left);
    // At least one: what polls writable may still not take a line.
    const auto waited = static_cast<int>((monotonic_ns() - began_ns) / 1'000'000) + 1;
    // It may be no more than before, or none, by now.
    const int rest = std::max(left - waited, 0);
    patience_ms.compare_exchange_strong(left, rest, std::memory_order_relaxed);
    return ready > 0;
}

// Writes what the sink takes, and returns the rest.
std::span<const char> write_out(int fd, std::span<const char> bytes) {
    const bool is_stderr = fd == STDERR_FILENO;
    const WriteWay way = is_stderr ? stderr_way.load(std::memory_order_relaxed) : WriteWay::kPlain;
    while (!bytes.empty()) {
        const ssize_t written = write_unwaited(fd, way, bytes);
        if (written > 0) {
            bytes = bytes.subspan(static_cast<size_t>(written));
            continue;
        }
        if (!is_stderr || errno != EAGAIN || !wait_for_reader()) break;
    }
    return bytes;
}

// False if the sink takes nothing, or not all.
bool write_whole(int fd, std::span<const char> line) {
    constexpr std::array kNewline = {'\n'};
    if (is_cut.load(std::memory_order_relaxed)) {
        if (!write_out(fd, kNewline).empty()) return false;
        is_cut.store(false, std::memory_order_relaxed);
    }
    const size_t left = write_out(fd, line).size();
    if (left > 0 && left < line.size()) is_cut.store(true, std::memory_order_relaxed);
    return left == 0;
}

// What the sink did not take while it was full is told before the next line that it takes.
bool tell_lost_lines(const LogSettings& how) {
    const uint32_t lost = lost_lines.exchange(0, std::memory_order_relaxed);
    if (lost == 0) return true;
    Line line;
    put_beginning(line, how, {LogLevel::kWarning, __FILE__, __LINE__});
    line.put("%u lines of the log were lost here: nobody took them", lost);
    if (write_whole(how.fd, line.finish())) return true;
    lost_lines.fetch_add(lost, std::memory_order_relaxed);
    return false;
}

void lose_lines(uint32_t count) {
    metrics.missed_log_count.add(count);
    lost_lines.fetch_add(count, std::memory_order_relaxed);
}

// This thread may not write: where it had to poll before, another writer could make it wait.
bool may_only_keep(int fd) {
    return fd == STDERR_FILENO && stderr_way.load(std::memory_order_relaxed) == WriteWay::kPolled &&
           patience_ms.load(std::memory_order_relaxed) == kNoPatience;
}

void deliver(const LogSettings& how, std::span<const char> line) {
    // A handler of a signal may come between a failed call and the look at its errno.
    const int error = errno;
    const bool is_delivered = may_only_keep(how.fd)
                                  ? kept_lines.keep(line)
                                  : tell_lost_lines(how) && write_whole(how.fd, line);
    if (!is_delivered) lose_lines(1);
    errno = error;
}

// `fill` puts the text into the line.
template <typename Fill>
void write_line(const LogOrigin& origin, Fill fill) {
    const LogSettings& how = *settings.load(std::memory_order_acquire);
    if (!is_wanted(how, origin)) return;
    Line line;
    put_beginning(line, how, origin);
    const size_t start = line.length();
    fill(line);
    if (how.form == LogForm::kStamped) line.tame(start);
    deliver(how, line.finish());
}

}  // namespace

void set_log(const LogSettings& wanted) {
    settings.store(&wanted, std::memory_order_release);
}

void reset_log() {
    set_log(kDefaults);
    lost_lines.store(0, std::memory_order_relaxed);
    is_cut.store(false, std::memory_order_relaxed);
}

void set_log_way(WriteWay to_stderr) {
    stderr_way.store(to_stderr, std::memory_order_relaxed);
}

void set_log_patience(LogPatience patience) {
    const bool has_some = patience == LogPatience::kSome;
    patience_ms.store(has_some ? kLogPatienceMs : kNoPatience, std::memory_order_relaxed);
    if (!has_some) return;
    const std::span<const char> rest = write_out(STDERR_FILENO, kept_lines.take());
    lose_lines(static_cast<uint32_t>(std::ranges::count(rest, '\n')));
}

void log_lost_lines() {
    static_cast<void>(tell_lost_lines(*settings.load(std::memory_order_acquire)));
}

void log_as_it_is(std::string_view lines) {
    if (!write_out(STDERR_FILENO, lines).empty()) lose_lines(1);
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

// --- LogBudget, LogLimit: here, because what it leaves out is counted with the rest
// ------------------------

LogBudget& guest_log_budget() {
    return guest_budget;
}

LogBudget::Verdict LogBudget::take() {
    uint32_t left = left_.load(std::memory_order_relaxed);
    do
        if (left == 0) return Verdict::kSpent;
    while (!left_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed));
    return left == 1 ? Verdict::kEnds : Verdict::kLine;
}

bool LogLimit::pays(const char* file, int line) {
    if (budget_ == nullptr) return true;
    const LogBudget::Verdict verdict = budget_->take();
    if (verdict == LogBudget::Verdict::kEnds)
        log_at({LogLevel::kWarning, file, line},
               "the guest has caused %u lines; no more of them are logged", budget_->lines());
    return verdict == LogBudget::Verdict::kLine;
}

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
    if (verdict.left_out > 0 && pays(file, line))
        log_at({LogLevel::kWarning, file, line}, "%u lines like the next one were left out",
               verdict.left_out);
    if (!verdict.admits) {
        metrics.rate_limited_log_count.add();
        return false;
    }
    const bool is_paid = pays(file, line);
    if (!is_paid) metrics.over_budget_log_count.add();
    return is_paid;
}
