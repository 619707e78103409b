#include "bench/series.hpp"

#include <cstdio>

#include "bench/interrupt.hpp"
#include "bench/statistics.hpp"

Program numbered(const Program& program, uint64_t run) {
    Program numbered = program;
    for (std::string& word : numbered.words)
        if (const size_t at = word.find(Series::kRunMark); at != std::string::npos)
            word.replace(at, sizeof(Series::kRunMark) - 1, std::to_string(run));
    return numbered;
}

namespace {

struct Times {
    double first_output_us;
    double exit_us;
};

// One run. It is over, and its process reaped, when this returns.
Result<Times> run_once(const Program& program) {
    Process process = TRY(Process::start(program));
    const double first_us = TRY(process.first_output_us(kStartTimeoutMs));
    const auto end = TRY(process.wait_for_success(kStartTimeoutMs));
    return Times{.first_output_us = first_us, .exit_us = end.exit_us};
}

Result<> run_round(std::span<Series> series, uint64_t round, bool counted) {
    std::vector<Times> times(series.size());
    for (size_t i = 0; i < series.size(); ++i) {
        const size_t turn = round % 2 == 0 ? i : series.size() - 1 - i;
        const auto once = run_once(numbered(series[turn].program, round));
        if (!once.ok()) return once.error().about(series[turn].program.name);
        times[turn] = once.value();
    }
    if (!counted) return Ok{};
    for (size_t i = 0; i < series.size(); ++i) {
        series[i].first_output_us.push_back(times[i].first_output_us);
        series[i].exit_us.push_back(times[i].exit_us);
        if (series[i].after_round) TRY(series[i].after_round(times[i].first_output_us));
    }
    return Ok{};
}

}  // namespace

Result<> run_in_turn(std::span<Series> series, uint64_t warm_up, uint64_t runs) {
    for (uint64_t round = 0; round < warm_up + runs; ++round) {
        if (was_signalled()) return interruption();
        TRY(run_round(series, round, round >= warm_up));
    }
    return Ok{};
}

void print_series(std::span<const Series> series) {
    std::printf(
        "first output and end in us after spawn, %llu runs each; floors: ratio of medians "
        "to the first line, with its 95 %% interval\n",
        static_cast<unsigned long long>(series.front().exit_us.size()));
    std::printf("%-22s %9s %9s %9s %7s %15s %9s\n", "program", "median", "p99", "min", "floors", "",
                "end");
    const Series& floor = series.front();
    for (const Series& it : series) {
        const auto& samples = it.first_output_us;
        const Interval interval = ratio_interval(samples, floor.first_output_us);
        std::printf("%-22.22s %9.0f %9.0f %9.0f %7.2f [%5.2f .. %5.2f] %9.0f\n",
                    it.program.name.c_str(), median(samples), percentile(samples, 99),
                    percentile(samples, 0), median(samples) / median(floor.first_output_us),
                    interval.low, interval.high, median(it.exit_us));
    }
}
