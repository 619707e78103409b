#include "monitor/metrics/startup_time.hpp"

#include <ctime>

namespace {

uint64_t us_since(clockid_t clock, uint64_t begin_us) {
    timespec time{};
    ::clock_gettime(clock, &time);
    const uint64_t now_us =
        static_cast<uint64_t>(time.tv_sec) * 1'000'000 + static_cast<uint64_t>(time.tv_nsec) / 1000;
    return now_us > begin_us ? now_us - begin_us : 0;
}

}  // namespace

void report_startup(const StartTimes& times, ApiServerMetrics& metrics) {
    if (times.start_time_us.has_value())
        metrics.process_startup_time_us.set(us_since(CLOCK_MONOTONIC, *times.start_time_us));
    if (times.start_time_cpu_us.has_value())
        metrics.process_startup_time_cpu_us.set(
            us_since(CLOCK_PROCESS_CPUTIME_ID, *times.start_time_cpu_us) +
            times.parent_cpu_time_us.value_or(0));
}
