#include "monitor/metrics/timeline.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>

#include "base/line_sink.hpp"
#include "base/thread.hpp"

namespace {

constexpr std::array kStageNames = {
    "exec",   "thread",  "options", "kvm", "memory",     "vcpu",         "devices",     "load",
    "tables", "sandbox", "wait",    "cpu", "first exit", "first output", "boot signal", "exit",
};
static_assert(kStageNames.size() == static_cast<size_t>(Stage::kCount));

uint64_t now_ns(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

std::string format_event(const char* format, const char* name, double ts_us, double last_us,
                         int lane = 1) {
    std::array<char, 256> line{};
    std::snprintf(line.data(), line.size(), format, name, ts_us, last_us, ::getpid(), lane);
    return line.data();
}

// What the monitor does, on each thread one stage after the other.
std::string span_event(const char* name, uint64_t start_ns, uint64_t end_ns, int lane) {
    return format_event(R"({"name":"%s","ph":"X","ts":%.3f,"dur":%.3f,"pid":%d,"tid":%d})", name,
                        static_cast<double>(start_ns) / 1000,
                        static_cast<double>(end_ns - start_ns) / 1000, lane);
}

// What the guest causes meanwhile.
std::string instant_event(const char* name, uint64_t at_ns) {
    return format_event(
        R"({"name":"%s","ph":"i","s":"p","ts":%.3f,"args":{"us":%.3f},"pid":%d,"tid":%d})", name,
        static_cast<double>(at_ns) / 1000, static_cast<double>(at_ns) / 1000);
}

}  // namespace

Result<UniqueFd> open_trace(const char* path) {
    constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
    UniqueFd fd(::open(path, kFlags, 0644));
    if (!fd) {
        const char* const hint = errno == ENXIO ? "it is a FIFO without a reader" : nullptr;
        return Error::from_errno("--trace", hint).about(path);
    }
    return fd;
}

Timeline::Timeline()
    : process_start_ns_(now_ns(CLOCK_MONOTONIC) - now_ns(CLOCK_PROCESS_CPUTIME_ID)) {
    mark(Stage::kExec);
}

void Timeline::mark(Stage stage) {
    std::atomic<uint64_t>& ended = ended_ns_[static_cast<size_t>(stage)];
    if (ended.load(std::memory_order_relaxed) != 0) return;
    uint64_t unmarked = 0;
    // Several vCPUs may mark at once; the first stands.
    ended.compare_exchange_strong(unmarked, now_ns(CLOCK_MONOTONIC) - process_start_ns_,
                                  std::memory_order_relaxed);
    if (unmarked == 0)
        was_on_main_[static_cast<size_t>(stage)].store(
            Thread::current_name() == std::string_view("main"), std::memory_order_relaxed);
}

Result<> Timeline::write_trace(int fd) const {
    std::string text = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n";
    text += R"({"name":"process_name","ph":"M","pid":)" + std::to_string(::getpid()) +
            R"(,"args":{"name":"mayfly"}})";
    // Of main, and of the other thread, which makes the VM, runs its boot vCPU, or both.
    const bool began_late = ended_ns(Stage::kThread) > ended_ns(Stage::kSandbox);
    std::array<uint64_t, 2> previous_ns{0, ended_ns(began_late ? Stage::kSandbox : Stage::kExec)};
    for (size_t i = 0; i < kStageNames.size(); ++i) {
        const auto stage = static_cast<Stage>(i);
        const uint64_t end_ns = ended_ns(stage);
        if (end_ns == 0) continue;
        if (stage <= Stage::kCpu) {
            const size_t lane = was_on_main_[i].load(std::memory_order_relaxed) ? 0 : 1;
            text += ",\n" + span_event(kStageNames[i], std::min(previous_ns[lane], end_ns), end_ns,
                                       static_cast<int>(lane) + 1);
            previous_ns[lane] = end_ns;
        } else {
            text += ",\n" + instant_event(kStageNames[i], end_ns);
        }
    }
    text += "\n]}\n";
    // Of a FIFO; the guest has ended, and who waits for this process does not wait for its reader.
    constexpr int kPatienceMs = 1000;
    for (size_t at = 0; at < text.size();) {
        const ssize_t count = write_once(fd, std::span(text).subspan(at));
        if (count >= 0) {
            at += static_cast<size_t>(count);
            continue;
        }
        const Error error = Error::from_errno("write of the trace");
        pollfd event{fd, POLLOUT, 0};
        if (error.code != EAGAIN || ::poll(&event, 1, kPatienceMs) <= 0) return error;
    }
    return Ok{};
}
