// The monitor's own words: one line each, never between the guest's bytes on stdout. Every line is
// one write(2), so that lines of several threads do not mix. Any thread, and signal handlers: it
// formats on the stack, and its only other system call is clock_gettime.
//
// Without settings, a line is "mayfly: text" on stderr. With a sink of its own it is as
// Firecracker's: "2026-11-28T12:00:00.123456789 [id:thread:WARN:file:line] text", in UTC. A line
// that the sink does not take is lost, and counted; the next one that it takes comes behind a line
// that says how many were.
//
// A program's stderr is waited for, until it says which way to write to it without waiting. From
// then on no line waits while a guest runs, and none for long at other times.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/counter.hpp"
#include "base/log_limit.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "base/unwaited_write.hpp"

enum class LogLevel : uint8_t { kOff, kError, kWarning, kInfo, kDebug, kTrace };

enum class LogForm : uint8_t {
    kPlain,    // "mayfly: text"
    kStamped,  // with time, instance and thread
};

struct LogSettings {
    LogLevel level = LogLevel::kInfo;  // what is less urgent is not logged
    LogForm form = LogForm::kPlain;
    int fd = 2;                 // stderr
    bool shows_level = false;   // if stamped
    bool shows_origin = false;  // the same: the source file and its line
    const char* instance_id = "anonymous-instance";
    // Only lines whose source file's path begins so ("virtio/", "monitor/ports"); nullptr: all.
    const char* module = nullptr;
};

// From now on. The settings and what they point to outlive all logging, or the next call. Any
// thread, though a line that is being written may still go by the old ones.
void set_log(const LogSettings& settings);
// "mayfly: text" on stderr again.
void reset_log();

// From now on stderr is written to in this way, and is not waited for but as set_log_patience()
// says. Before other threads start.
void set_log_way(WriteWay to_stderr);

// How long a line may wait for who reads the log: kLogPatience for all lines together from this
// call on, or not at all, while there are threads that a guest reaches. Where stderr can only be
// polled, such a thread's lines are kept until they may wait, as far as there is room. Main.
enum class LogPatience : uint8_t { kNone, kSome };
inline constexpr int kLogPatienceMs = 1000;
void set_log_patience(LogPatience patience);

// For a sink of the log. Errors: as open_line_sink().
Result<UniqueFd> open_log(const char* path);

struct LogMetrics {
    SharedCounter missed_log_count;        // lines that the sink did not take
    SharedCounter rate_limited_log_count;  // lines that a LogLimit left out
    SharedCounter over_budget_log_count;   // lines that a LogBudget left out
};
const LogMetrics& log_metrics();

// Where a line comes from. `file`: a literal, relative to the source tree.
struct LogOrigin {
    LogLevel level;
    const char* file;
    int line;
};

// printf's format; the newline comes by itself.
// NOLINTBEGIN(cppcoreguidelines-macro-usage): a function does not know where it is called.
#define LOG_AT(level, ...) log_at(LogOrigin{LogLevel::level, __FILE__, __LINE__}, __VA_ARGS__)
#define LOG_ERROR(...) LOG_AT(kError, __VA_ARGS__)
#define LOG_WARNING(...) LOG_AT(kWarning, __VA_ARGS__)
#define LOG_INFO(...) LOG_AT(kInfo, __VA_ARGS__)
#define LOG_DEBUG(...) LOG_AT(kDebug, __VA_ARGS__)
#define LOG_TRACE(...) LOG_AT(kTrace, __VA_ARGS__)
// NOLINTEND(cppcoreguidelines-macro-usage)

[[gnu::format(printf, 2, 3)]] void log_at(const LogOrigin& origin, const char* format, ...);

// The error as format_error() puts it, at LogLevel::kError.
void log_error(const Error& error, const char* file = __builtin_FILE(),
               int line = __builtin_LINE());

// Whole lines as they are, on stderr, whatever the settings.
void log_as_it_is(std::string_view lines);

// The line about lost ones, where no other line comes any more. Main, at its end.
void log_lost_lines();

// At LogLevel::kInfo, from nowhere in particular: for programs that only ever log to stderr.
[[gnu::format(printf, 1, 2)]] void log_line(const char* format, ...);

// The program's name at the start of each plain line, instead of "mayfly". Before other threads
// start; the string outlives them.
void set_log_name(const char* name);
